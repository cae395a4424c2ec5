"""Spoken digits: which of the words zero to nine is said?

Data: synthetic: eSpeak NG 1.52 (GPL-3+, in espeakng-loader 0.2.4) says the words in 104 voice variants, two accents and
two speeds: 4,160 clips. Each word begins at a random time within .2 s, in white noise that is 5 dB softer.
Split: by voice; voices of one family (`steph2`, `steph3`) lie in one part: 63 variants train, 14 validation, 27 test.
Model: a convolutional network of four layers over 40 log-mel bands × 80 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy on voices that are not in training. Baseline: logistic regression .791, a multilayer perceptron
.792; this network reaches .91 (.89 on the validation voices).
Known limits: one synthesiser speaks all voices. No claim about people.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import PyPI, Source
from breakeven.task import Quality, Recipe, TensorData

from .._sounds import SoundClassification, to_inputs

ESPEAK = PyPI(
    "espeakng-loader",
    "0.2.4",
    "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    "espeakng_loader-0.2.4-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
)


@dataclass(frozen=True)
class SpokenDigits(SoundClassification):
    """Inputs float32 [batch, 1, 40, 80], standardised log-mel energies; logits [batch, 10]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Spoken digits"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "synthetic"
    licence: ClassVar[str] = "GPL-3+ (the synthesiser)"
    archives: ClassVar[tuple[Source, ...]] = (ESPEAK,)
    classes: ClassVar[int] = 10
    # The first layer keeps the time resolution, since bursts last only a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 10
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.86)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import augment, build

        return TensorData(build, ("features",), "labels", transform=to_inputs, augment=augment)
