"""Speech Commands: which of 35 words is said?

Data: Google's Speech Commands v0.02 (Warden, arXiv:1804.03209), 105,829 clips of up to 1 s by 2,618 people, licence
CC BY 4.0; downloaded from its makers (2.4 GB), or given by hand, and read in the archive. Its recordings of background
noise are left out.
Split: the published lists, 9,981 validation and 11,005 test, the other 84,843 train; no speaker lies in two parts.
Model: a convolutional network of four layers over 40 log-mel bands × 100 frames of 10 ms, trained from scratch.
Metric: top-1 accuracy. Baseline: not measured here.
Published: .939 of the 35 words by a convolutional recurrent network with attention (Coimbra de Andrade et al.,
arXiv:1808.08929), .977 by the Keyword Transformer (Berg et al., arXiv:2104.00769).
Known limits: not trained here, for the project's machines reach no download: recipe and target are untested. Features
are kept in half precision (0.8 GB by their shape); making them takes several times as much memory.
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
class SpeechCommands(SoundClassification):
    """Inputs float32 [batch, 1, 40, 100], standardised log-mel energies; logits [batch, 35]."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Speech Commands"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0"
    classes: ClassVar[int] = 35
    # Time stays fine at first: bursts last a few frames.
    strides: ClassVar[tuple[int | tuple[int, int], ...]] = ((2, 1), 2, 2, 2)
    places: ClassVar[int] = 3 * 13
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.90)
    recipe: ClassVar[Recipe] = Recipe(epochs=20, batch_size=128, learning_rate=0.005, weight_decay=0.05)

    def _clips(self) -> ModuleType:
        from . import clips

        return clips

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        return prepared(f"speech_commands-v{self.version}", self._clips().build)
