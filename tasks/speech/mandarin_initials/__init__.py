"""Mandarin initials: with which of 21 consonants, or none, does a spoken syllable begin?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice. 24 clips in
the neutral tone are left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable with tone, 240 test, 120 validation, the rest training; both speakers of a syllable lie in one part.
The split is the same for every seed.
Model: a convolutional network of four layers over 40 log-mel bands × 48 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy. Baseline: logistic regression .762, a multilayer perceptron .864.
Known limits: training includes a held-out syllable's other tones, and both voices. No claim of speaker independence.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData

from .._sounds import SoundClassification, to_inputs
from .._syllables import GCIN_VOICE


@dataclass(frozen=True)
class MandarinInitials(SoundClassification):
    """Inputs float32 [batch, 1, 40, 48], standardised log-mel energies; logits [batch, 22]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin initials"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    archives: ClassVar[tuple[Source, ...]] = (GCIN_VOICE,)
    classes: ClassVar[int] = 22
    # The first layer keeps the time resolution, since bursts last only a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 6
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.86)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import augment, build

        return TensorData(build, ("features",), "labels", transform=to_inputs, augment=augment)
