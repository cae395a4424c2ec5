"""Scores translations, given as subword ids, by sacrebleu, the field's reference implementation."""

from __future__ import annotations

from itertools import takewhile

import torch
from sacrebleu.metrics.base import Metric as Scorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from tokenizers import Tokenizer
from torch import Tensor
from torchmetrics import Metric

from .corpus import END


class CorpusScore(Metric):
    """A score of sacrebleu over a whole corpus, in 0..1. Its state is the sum of sacrebleu's counts per sentence."""

    higher_is_better = True
    full_state_update = False
    statistics: Tensor

    def __init__(self, scorer: Scorer, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.scorer, self.tokenizer = scorer, tokenizer
        counts = len(scorer._extract_corpus_statistics([""], [["."]])[0])
        self.add_state("statistics", torch.zeros(counts, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in ids of translations and of references, both [batch, length]; padding follows an end."""
        rows = self.scorer._extract_corpus_statistics(self._texts(outputs), [self._texts(target)])
        self.statistics += torch.tensor(rows, dtype=torch.int64, device=self.statistics.device).sum(0)

    def compute(self) -> Tensor:
        """The score of the corpus, 0 to 1."""
        return torch.tensor(self.scorer._aggregate_and_compute([self.statistics.tolist()]).score / 100)

    def _texts(self, ids: Tensor) -> list[str]:
        rows = [takewhile(lambda i: i != END, row) for row in ids.long().tolist()]
        return self.tokenizer.decode_batch([[i for i in row if i > END] for row in rows])


def chrf(tokenizer: Tokenizer) -> CorpusScore:
    """Make the metric chrF: the F2 of character n-grams up to 6 (Popović, 2015)."""
    return CorpusScore(CHRF(), tokenizer)


def bleu(tokenizer: Tokenizer) -> CorpusScore:
    """Make the metric BLEU: word n-grams up to 4 (Papineni et al., 2002; Post, 2018)."""
    return CorpusScore(BLEU(), tokenizer)
