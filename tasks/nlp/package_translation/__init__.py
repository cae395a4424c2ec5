"""Debian translations: what does a sentence of a package's description say in French, or in German?

Data: pairs of sentences from the translated package descriptions in the package indexes of Debian 12, main archive.
Paragraphs and then sentences are aligned where their numbers agree and neither sentence is twice as long as the other.
Licence: none is stated for the descriptions, so they are fetched and never redistributed. The indexes change with each
point release and cannot be pinned. The hash of the prepared data tells them apart.
Split: by source package, with no English sentence twice: to French 28,572 train, 128 validation, 512 test; to German
22,958 train. Pairs have at most 24 subwords of a vocabulary of 4,000, learned from both languages together.
Model: a transformer of two encoder and two decoder layers with 96 features, trained from scratch. Attention falls with
the distance of two places, as in ALiBi. Greedy decoding calls the whole model once for each subword.
Metric: chrF of the whole corpus, by sacrebleu; also reported: BLEU. To French, seed 0: .442 (validation .475), BLEU
.178; to German .407 (.396).
Baseline: the English source returned unchanged, to French chrF .312 (validation .317), BLEU .051.
Known limits: short, formulaic sentences of one field, with one reference each. Packages of different sources may still
share phrases. The training is short, so names and rare words are often garbled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Lengths, Quality, Recipe, TensorData, TensorTask

from .._packages import INDEXES

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn
    from torchmetrics import Metric


@dataclass(frozen=True)
class PackageTranslation(TensorTask):
    """Inputs `source_ids` and `prefix_ids`, int64 [batch, length], padded with 0; logits [batch, length, 4000].

    The target is int64 [batch, 24]: the ids of the translation, its end, then -100.
    """

    target: Literal["fr", "de"] = Field("fr", description="the language to translate to, from English")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Debian translations"
    domain: ClassVar[str] = "nlp"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated for the descriptions (Debian main): fetched, not redistributed"
    archives: ClassVar[tuple[Source, ...]] = (INDEXES,)
    quality: ClassVar[Quality] = Quality("chrf", "ratio", higher_is_better=True, target=0.43)
    recipe: ClassVar[Recipe] = Recipe(epochs=1, batch_size=32, learning_rate=8e-3)
    lengths: ClassVar[Lengths] = Lengths(unit="subwords", dimensions=(1, 1), multiple=4)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from . import corpus

        build = {"fr": corpus.build_fr, "de": corpus.build_de}[self.target]
        return TensorData(build, ("source", "prefix"), "target", variant=self.target)

    def length_of(self, *inputs: Tensor) -> Tensor:
        """The lengths of source and prefix, int64 [batch, 2]."""
        from torch import stack

        return stack([(x != 0).sum(1) for x in inputs], dim=1)

    def model(self) -> nn.Module:
        """See `Task`."""
        return self.student(1.0)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        from .network import translator

        return translator(width)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats/subword] of each sentence, averaged over the sentences."""
        from torch.nn.functional import cross_entropy

        target = target[:, : outputs.shape[1]]  # the batch is trimmed to its longest sentence
        losses = cross_entropy(outputs.flatten(0, 1), target.flatten(), reduction="none").unflatten(0, target.shape)
        return (losses.sum(1) / (target != -100).sum(1)).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """See `Task`. Padding counts as much as a subword."""
        return super().distillation_loss(outputs.flatten(0, 1), taught.flatten(0, 1), temperature)

    def predict(self, model: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The translation, ids int64 [batch, 24], decoded greedily from the first id of the prefix."""
        from .decoding import greedy

        return greedy(model, *inputs)

    def metric(self) -> Metric:
        """The chrF of the whole corpus."""
        from .scores import chrf

        return chrf(self._tokenizer())

    def other_metrics(self) -> dict[str, Metric]:
        """The BLEU of the whole corpus."""
        from .scores import bleu

        return {"bleu": bleu(self._tokenizer())}

    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self._prepared().load()["tokenizer"].numpy().tobytes().decode())
