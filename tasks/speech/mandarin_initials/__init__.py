"""Mandarin initials: with which of 21 consonants, or none, does a spoken syllable begin?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable, 240 test, 120 validation, the rest training, both speakers together, the same for every seed.
Model: a convolutional network of four layers over 40 log-mel bands × 48 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy. Baseline: logistic regression .762, a multilayer perceptron .864.
Known limits: a held-out syllable's other tones, and both voices, occur in training: no claim of speaker independence.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._sounds import SoundClassification

if TYPE_CHECKING:
    from breakeven.data import Prepared


@dataclass(frozen=True)
class MandarinInitials(SoundClassification):
    """Inputs float32 [batch, 1, 40, 48], standardised log-mel energies; logits [batch, 22]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin initials"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    classes: ClassVar[int] = 22
    # Time stays fine at first: bursts last a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 6
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.86)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def _clips(self) -> ModuleType:
        from . import clips

        return clips

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        return prepared(f"mandarin_initials-v{self.version}", self._clips().build)
