"""Debian sections: to which of ten sections of the archive does a package belong, by its description?

Data: the descriptions of 6,219 packages in the package indexes of Debian 12, its main archive for amd64: of every
source and section the first package by name. Licence: none is stated for the descriptions: fetched, not redistributed.
The indexes change with every point release and cannot be pinned: the hash of what was prepared tells them apart, and
another Debian release gives other numbers.
Split: 4,711 train, 582 validation, 926 test, by source package, the same for every seed.
Model: embeddings of subwords (a vocabulary of its own), a GRU, an LSTM or a transformer over them, the mean and the
maximum of both, a linear layer; from scratch. RNNs run forwards only, so that padding at the end changes nothing.
Metric: top-1 accuracy; beside it macro F1. With seed 0 the GRU reaches .893 on one kind of CPU (validation .892) and
.881 on another (.887), the LSTM .882 (.887), the transformer .889 (.881).
Baseline: logistic regression on TF-IDF of single words, .878 (validation .878).
Known limits: texts are cut to 128 tokens (24 % are longer); sections are what maintainers chose, and some packages
would fit two; packages of one family, such as fonts or Perl modules, describe themselves alike across sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._texts import TextClassification

if TYPE_CHECKING:
    from breakeven.data import Prepared


@dataclass(frozen=True)
class PackageSections(TextClassification):
    """Input `ids`, int64 [batch, up to 128], padded with 0; logits [batch, 10]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Debian sections"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "none stated for the descriptions (Debian main): fetched, not redistributed"
    classes: ClassVar[int] = 10
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.87)
    recipes: ClassVar[dict[str, Recipe]] = {  # chosen on the validation split
        "gru": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
        "lstm": Recipe(epochs=4, batch_size=32, learning_rate=5e-3, weight_decay=0.05),
        "transformer": Recipe(epochs=4, batch_size=32, learning_rate=3e-3, weight_decay=0.05),
    }

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .corpus import build

        return prepared(f"package_sections-v{self.version}", build)
