"""Mandarin tones: which of the four tones does a spoken syllable have?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice. 24 clips in
the neutral tone are left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable with tone, 240 test, 120 validation, the rest training; both speakers of a syllable lie in one part.
The split is the same for every seed.
Model: a convolutional network of four layers, trained from scratch, over 64 frames of 48 log-mel bands below 1.5 kHz,
from windows of 40 ms, which are fine enough to show the harmonics of a voice.
Metric: top-1 accuracy. Baseline: logistic regression .938, a multilayer perceptron .921.
Known limits: training includes a held-out syllable's other tones, and both voices. No claim of speaker independence.
This network reaches .98, so methods differ by only a few errors.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData

from .._sounds import SoundClassification, to_inputs
from .._syllables import GCIN_VOICE


@dataclass(frozen=True)
class MandarinTones(SoundClassification):
    """Inputs float32 [batch, 1, 48, 64], standardised log-mel energies; logits [batch, 4]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin tones"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    archives: ClassVar[tuple[Source, ...]] = (GCIN_VOICE,)
    classes: ClassVar[int] = 4
    places: ClassVar[int] = 3 * 4
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.95)
    recipe: ClassVar[Recipe] = Recipe(epochs=10, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import augment, build

        return TensorData(build, ("features",), "labels", transform=to_inputs, augment=augment)
