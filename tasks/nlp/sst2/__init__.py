"""SST-2: is a phrase from a movie review positive or negative?

Data: 67,349 phrases and 872 sentences of the Stanford Sentiment Treebank (Socher et al., "Recursive Deep Models for
Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013), as in GLUE (Wang et al., arXiv:1804.07461). The data
set's card calls the licence unknown. Hugging Face `datasets` reads stanfordnlp/sst2 from the hub, pinned by commit, or
from a folder with the same files that BREAKEVEN_SST2 names.
Split: the published validation part of 872 sentences is for testing, since the labels of the published test part are
hidden. A twentieth of the published training part is for validation, chosen by the hash of the words, the same for
every seed.
Model: embeddings of subwords with a vocabulary of this task, a GRU, an LSTM or a transformer over them, the mean and
the maximum of both, and a linear layer; trained from scratch.
Metric: top-1 accuracy; also reported: macro F1. Baseline: not measured here.
Published: .913 on these 872 by a pretrained DistilBERT (card of distilbert-base-uncased-finetuned-sst-2-english).
Known limits: not trained here, since the project's machines cannot download the data. Recipes and target are untested.
Training phrases are parts of one another, so validation phrases lie inside training phrases. The test part has other
sentences, so validation accuracy is higher than test accuracy. Texts are cut to 64 tokens.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, TensorData

from .._texts import TextClassification


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

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .corpus import build

        return TensorData(build, ("ids",), "target")
