"""SST-2: is a phrase from a movie review positive or negative?

Data: 67,349 phrases and 872 sentences of the Stanford Sentiment Treebank (Socher et al., "Recursive Deep Models for
Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013), as GLUE has them (Wang et al., arXiv:1804.07461); the
licence is unknown, says the data set's card. Read by Hugging Face `datasets` from stanfordnlp/sst2 on its hub, pinned
by commit, or from a folder with its files that BREAKEVEN_SST2 names.
Split: the published validation part of 872 for testing, as the labels of the published test part are hidden; of the
published training part, a twentieth is validation by the hash of its words, the same for every seed.
Model: embeddings of subwords (a vocabulary of its own), a GRU, an LSTM or a transformer over them, the mean and the
maximum of both, a linear layer; from scratch.
Metric: top-1 accuracy; beside it macro F1. Baseline: not measured here.
Published: .913 on these 872 by a pretrained DistilBERT (card of distilbert-base-uncased-finetuned-sst-2-english).
Known limits: not trained here, for the project's machines reach no download: recipes and target are untested. Training
phrases are parts of one another, so that validation phrases lie inside training phrases and validation accuracy
promises more than the test part keeps, which has other sentences. Texts are cut to 64 tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._texts import TextClassification

if TYPE_CHECKING:
    from breakeven.data import Prepared


@dataclass(frozen=True)
class SST2(TextClassification):
    """Input `ids`, int64 [batch, up to 64], padded with 0; logits [batch, 2]: negative, positive."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "SST-2"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "unknown (stanfordnlp/sst2): fetched, not redistributed"
    classes: ClassVar[int] = 2
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.76)
    recipes: ClassVar[dict[str, Recipe]] = {  # untested
        "gru": Recipe(epochs=3, batch_size=64, learning_rate=3e-3, weight_decay=0.05),
        "lstm": Recipe(epochs=3, batch_size=64, learning_rate=3e-3, weight_decay=0.05),
        "transformer": Recipe(epochs=3, batch_size=64, learning_rate=2e-3, weight_decay=0.05),
    }

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .corpus import build

        return prepared(f"sst2-v{self.version}", build)
