"""Debian sections: to which of ten sections of the archive does a package belong, by its description?

Data: the descriptions of 6,219 packages in the package indexes of Debian 12, main archive for amd64: the first package
by name of each source and section. Licence: none is stated for the descriptions, so they are fetched and never
redistributed. The indexes change with each point release and cannot be pinned. The hash of the prepared data tells them
apart, and another Debian release gives other numbers.
Split: 4,711 train, 582 validation, 926 test, by source package, the same for every seed.
Model: embeddings of subwords with a vocabulary of this task, a GRU, an LSTM or a transformer over them, the mean and
the maximum of both, and a linear layer; trained from scratch. RNNs run forwards only, so that padding at the end
changes nothing.
Metric: top-1 accuracy; also reported: macro F1. With seed 0 the GRU reaches .893 on one kind of CPU (validation .892)
and .881 on another (.887), the LSTM .882 (.887), the transformer .889 (.881).
Baseline: logistic regression on TF-IDF of single words, .878 (validation .878).
Known limits: texts are cut to 128 tokens (24 % are longer). Maintainers chose the sections, and some packages would
fit two sections. Packages of one family, such as fonts or Perl modules, have similar descriptions across sources.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData

from .._packages import INDEXES
from .._texts import TextClassification


@dataclass(frozen=True)
class PackageSections(TextClassification):
    """Input `ids`, int64 [batch, up to 128], padded with 0; logits [batch, 10]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Debian sections"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated for the descriptions (Debian main): fetched, not redistributed"
    archives: ClassVar[tuple[Source, ...]] = (INDEXES,)
    classes: ClassVar[int] = 10
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.87)
    recipes: ClassVar[dict[str, Recipe]] = {  # chosen on the validation split
        "gru": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
        "lstm": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
        "transformer": Recipe(epochs=4, batch_size=32, learning_rate=3e-3, weight_decay=0.05),
    }

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .corpus import build

        return TensorData(build, ("ids",), "target")
