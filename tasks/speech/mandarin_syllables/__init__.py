"""Mandarin syllables: which phones does a spoken syllable consist of?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
The phones are what zhuyin writes: initial, final and tone, the first two where it has them.
Split: by syllable, 240 test, 120 validation, the rest training, both speakers together, the same for every seed.
Model: convolutions over 64 log-mel bands × 10 ms and over time, then a GRU (`conv_gru`) or none (`conv`), from scratch,
by connectionist temporal classification (Graves et al., 2006). The GRU runs forwards only, so that padding at the end
changes nothing.
Metric: phone error rate, decoded greedily; beside it the share of syllables with any error.
Baseline: three logistic regressions, one each for initial, final and tone, .244. With seed 0 `conv_gru` reaches .087
(validation .124), `conv` .072 (.109).
Known limits: a held-out syllable's other tones, and both voices, occur in training: no claim of speaker independence.
One syllable at a time is said, so that nothing is learned of running speech. Exporters that fix the number of a GRU's
steps take `conv` alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._ctc import Recognition

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule

RECIPES = {
    "conv_gru": Recipe(epochs=30, batch_size=64, learning_rate=0.005, weight_decay=0.05),
    "conv": Recipe(epochs=30, batch_size=64, learning_rate=0.01, weight_decay=0.05),
}


@dataclass(frozen=True)
class MandarinSyllables(Recognition):
    """Frames are standardised by band, at most 64 of them.

    Classes are the blank, 21 initials, 38 finals and 4 tones; the target is int64 [batch, 3].
    """

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin syllables"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    quality: ClassVar[Quality] = Quality("phone_error_rate", "errors per phone", higher_is_better=False, target=0.15)
    depth: ClassVar[int] = 3

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split."""
        return RECIPES[self.network]

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.components.lengths import trimmed
        from breakeven.data.loaders import TensorDataModule

        from .clips import augment

        x = self._prepared().load()
        parts = [((x[f"{p}_features"], x[f"{p}_lengths"]), x[f"{p}_target"]) for p in ("train", "val", "test")]
        how = {"transform": partial(trimmed, self), "augment": augment}
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, **how)

    def metric(self) -> Metric:
        """Phones inserted, deleted or replaced, per phone of the target."""
        from .._ctc_scores import WordErrors

        return WordErrors(self._symbols())

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .._ctc_scores import SampleErrors

        return {"syllable_error_rate": SampleErrors(self._symbols())}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        arrays = self._prepared().load()
        return arrays["test_features"][:batch_size], arrays["test_lengths"][:batch_size]

    def _symbols(self) -> tuple[str, ...]:
        from .clips import PHONES

        return tuple(f"{phone} " for phone in PHONES)  # a word each

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .clips import build

        return prepared(f"mandarin_syllables-v{self.version}", build)
