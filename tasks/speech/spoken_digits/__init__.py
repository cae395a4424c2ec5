"""Spoken digits: which of the words zero to nine is said?

Data: synthetic: the words as eSpeak NG 1.52 (GPL-3+, in espeakng-loader 0.2.4) says them in 104 voice variants, two
accents and two speeds, 4,160 clips, each from a random time within .2 s on, in white noise 5 dB softer.
Split: by voice, those of one family (`steph2`, `steph3`) together: 63 variants train, 14 validate, 27 test.
Model: a convolutional network of four layers over 40 log-mel bands × 80 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy, on voices that training has not heard. Baseline: logistic regression .791, a
multilayer perceptron .792; this network reaches .91 (.89 on the validation voices).
Known limits: one synthesiser speaks all the voices: no claim about people.
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
class SpokenDigits(SoundClassification):
    """Inputs float32 [batch, 1, 40, 80], standardised log-mel energies; logits [batch, 10]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Spoken digits"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "synthetic"
    licence: ClassVar[str] = "GPL-3+ (the synthesiser)"
    classes: ClassVar[int] = 10
    # Time stays fine at first: bursts last a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 10
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.86)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=64, learning_rate=0.005, weight_decay=0.05)

    def _clips(self) -> ModuleType:
        from . import clips

        return clips

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        return prepared(f"spoken_digits-v{self.version}", self._clips().build)
