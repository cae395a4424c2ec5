"""AG News: is a news article about the world, sports, business, or science and technology?

Data: titles and descriptions of 127,600 articles from AG's corpus (Zhang et al., "Character-level Convolutional
Networks for Text Classification", arXiv:1509.01626). The data set's card calls the licence unknown; the corpus is for
research and other non-commercial use. Hugging Face `datasets` reads fancyzhx/ag_news from the hub, pinned by commit,
or from a folder with the same files that BREAKEVEN_AG_NEWS names.
Split: the published 7,600 test texts. A twentieth of the published 120,000 training texts is for validation, chosen by
the hash of the words, the same for every seed.
Model: embeddings of subwords with a vocabulary of this task, a GRU, an LSTM or a transformer over them, the mean and
the maximum of both, and a linear layer; trained from scratch.
Metric: top-1 accuracy; also reported: macro F1. Baseline: not measured here.
Published: .925 by fastText with pairs of words, from scratch (Joulin et al., arXiv:1607.01759).
Known limits: not trained here, since the project's machines cannot download the data. Recipes and target are untested.
Texts are cut to 128 tokens.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, TensorData

from .._texts import TextClassification


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

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .corpus import build

        return TensorData(build, ("ids",), "target")
