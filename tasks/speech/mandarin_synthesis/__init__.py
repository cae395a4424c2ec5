"""Mandarin synthesis: how does a syllable sound that nobody has said in the training data?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable with its tone, 240 test (470 clips), 120 validation, the rest training, both speakers together, the
same for every seed: what is to be said in test was never said with that tone in training.
Model: embeddings of initial, final, tone and speaker, then transposed convolutions from 8 to 64 frames of 10 ms.
Metric: mean absolute difference of the log-mel spectra [dB], the silence that pads the clips included; 2.14 here.
Beside it, how often a recogniser, trained once on the recordings, hears the initial, the final and the tone that were
asked for: of the test recordings .87, .87 and .97, of what this model makes of them .60, .60 and .98, and nearly the
same after Griffin-Lim. `python -m breakeven.plugins.tasks.speech.mandarin_synthesis.listen` makes a WAV file.
Baseline: the mean training spectrum 5.28 dB, its median 4.91, the median of the same final, tone and speaker 3.24.
Known limits: each speaker said a syllable once, and the middle of all that may be said is drawn, so that initials
blur. A held-out syllable's other tones occur in training. Nobody has judged the sound by ear.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import TensorDataModule


@dataclass(frozen=True)
class MandarinSynthesis(Task):
    """Inputs int64 [batch, 4]: initial, final, tone, speaker; outputs float32 [batch, 80, 64]: log-mel spectra [dB].

    The target [batch, 81, 64] is the recorded spectrum, and in a last row the four ids.
    """

    width: int = Field(128, ge=4, le=1024, description="channels of the decoder's finest layers; coarser ones have 2x")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin synthesis"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    quality: ClassVar[Quality] = Quality("log_mel_distance", "dB", higher_is_better=False, target=2.5)
    recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=32, learning_rate=0.003)

    def prepare(self) -> str:
        """See `Task`. The recogniser is made too; the hash is that of the data alone."""
        self._recogniser()
        return self._prepared().sha256

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        x = self._prepared().load()
        parts = [((x[f"{part}_ids"],), x[f"{part}_target"]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed)

    def model(self) -> nn.Module:
        """See `Task`."""
        from .network import Decoder

        return Decoder(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(4, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference of the spectra [dB]."""
        return (outputs - target[:, : outputs.shape[1]]).abs().mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """The loss, with the teacher's spectra as the target; there is no temperature."""
        return self.loss(outputs, taught)

    def metric(self) -> Metric:
        """See `Task`."""
        from .recogniser import LogMelDistance

        return LogMelDistance()

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`. How often a recogniser trained on recordings hears what was asked for."""
        from .recogniser import Recognised

        weights = self._recogniser().load()
        names = ("initials_recognised", "finals_recognised", "tones_recognised")
        return {name: Recognised(weights, heard) for heard, name in enumerate(names)}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        return (self._prepared().load()["test_ids"][:batch_size],)

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .clips import KEY, build

        return prepared(KEY, build)

    def _recogniser(self) -> Prepared:
        from breakeven.data import prepared

        from .recogniser import KEY, build

        return prepared(KEY, build)
