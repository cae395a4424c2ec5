"""AG News: is a news article about the world, sports, business, or science and technology?

Data: titles and descriptions of 127,600 articles from AG's corpus (Zhang et al., "Character-level Convolutional
Networks for Text Classification", arXiv:1509.01626); the licence is unknown, says the data set's card, and the corpus
is for research and other non-commercial use. Read by Hugging Face `datasets` from fancyzhx/ag_news on its hub, pinned
by commit, or from a folder with its files that BREAKEVEN_AG_NEWS names.
Split: the published 7,600 for testing; of the published 120,000 for training, a twentieth is validation by the hash of
its words, the same for every seed.
Model: embeddings of subwords (a vocabulary of its own), a GRU, an LSTM or a transformer over them, the mean and the
maximum of both, a linear layer; from scratch.
Metric: top-1 accuracy; beside it macro F1. Baseline: not measured here.
Published: .925 by fastText with pairs of words, from scratch (Joulin et al., arXiv:1607.01759).
Known limits: not trained here, for the project's machines reach no download: recipes and target are untested. Texts are
cut to 128 tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._texts import TextClassification

if TYPE_CHECKING:
    from breakeven.data import Prepared


@dataclass(frozen=True)
class AGNews(TextClassification):
    """Input `ids`, int64 [batch, up to 128], padded with 0; logits [batch, 4]: world, sports, business, sci/tech."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "AG News"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "unknown (fancyzhx/ag_news), non-commercial: fetched, not redistributed"
    classes: ClassVar[int] = 4
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.88)
    recipes: ClassVar[dict[str, Recipe]] = {  # untested
        "gru": Recipe(epochs=2, batch_size=64, learning_rate=3e-3, weight_decay=0.05),
        "lstm": Recipe(epochs=2, batch_size=64, learning_rate=3e-3, weight_decay=0.05),
        "transformer": Recipe(epochs=2, batch_size=64, learning_rate=2e-3, weight_decay=0.05),
    }

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .corpus import build

        return prepared(f"ag_news-v{self.version}", build)
