"""Speech Commands: which of 35 words is said?

Data: Google's Speech Commands v0.02 (Warden, arXiv:1804.03209), 105,829 clips of up to 1 s by 2,618 people, licence
CC BY 4.0. The archive (2.4 GB) is downloaded from its makers, or given by hand, and read without unpacking. Recordings
of background noise are left out.
Split: the published lists, 9,981 validation and 11,005 test; the other 84,843 train. No speaker lies in two parts.
Model: a convolutional network of four layers over 40 log-mel bands × 100 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy. Baseline: not measured here.
Published: .939 for the 35 words by a convolutional recurrent network with attention (Coimbra de Andrade et al.,
arXiv:1808.08929), .977 by the Keyword Transformer (Berg et al., arXiv:2104.00769).
Known limits: not trained here, since the project's machines cannot download the data. Recipe and target are untested.
Features are kept in half precision (0.8 GB by their shape); making them takes several times as much memory.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, TensorData

from .._sounds import SoundClassification, to_inputs


@dataclass(frozen=True)
class SpeechCommands(SoundClassification):
    """Inputs float32 [batch, 1, 40, 100], standardised log-mel energies; logits [batch, 35]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Speech Commands"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0"
    classes: ClassVar[int] = 35
    # The first layer keeps the time resolution, since bursts last only a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 13
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.90)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=128, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .clips import augment, build

        return TensorData(build, ("features",), "labels", transform=to_inputs, augment=augment)
