"""Mandarin vocoder: how well can a spectrum of a spoken syllable be made audible?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice, its 24 clips
in the neutral tone left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable, 240 test (470 clips), 120 validation, the rest training, both speakers together, the same for every
seed.
Model: residual convolutions as in HiFi-GAN (Kong, Kim and Bae, 2020) at 100 Hz, and one transposed convolution to
16 kHz that begins as an inverse Fourier transform, as in iSTFTNet (Kaneko et al., 2022); from scratch. With `gan`,
three period discriminators are trained along and left behind.
Metric: mean absolute difference of the log-mel spectra of both waveforms [dB], the silence that pads the clips
included; beside it, that of the log spectra in bins at three resolutions. Here .86 and 1.02 dB with `spectral`.
Baseline: Griffin-Lim, 60 rounds, .30 and .97 dB: better, but it goes to and fro between waveform and spectrum
60 times where the network is called once. Its random phases alone, 2.77 and 1.71 dB; silence, 7.71 and 3.39 dB.
Known limits: 30 s of training, far less than vocoders get. `gan` takes twice as long and comes no nearer by these
distances (validation .92 dB), which do not see what it is for; nobody has judged the sound by ear. Every clip is
padded to .64 s.
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

RECIPES = {
    "spectral": Recipe(epochs=3, batch_size=16, learning_rate=0.004),
    "gan": Recipe(epochs=3, batch_size=16, learning_rate=0.003),
}


@dataclass(frozen=True)
class MandarinVocoder(Task):
    """Inputs float32 [batch, 80, 64], log-mel spectra [dB]; outputs and target [batch, 10240], waveforms at 16 kHz."""

    training: Literal["spectral", "gan"] = Field("spectral", description="gan: discriminators judge the waveforms too")
    width: int = Field(128, ge=8, le=1024, description="channels of the generator's residual blocks")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin vocoder"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    quality: ClassVar[Quality] = Quality("log_mel_distance", "dB", higher_is_better=False, target=1.0)

    @property
    def recipe(self) -> Recipe:
        """Chosen on the validation split."""
        return RECIPES[self.training]

    def datamodule(self, seed: int) -> TensorDataModule:
        """See `Task`."""
        from breakeven.data.loaders import TensorDataModule

        from .waveforms import spectra

        x = self._prepared().load()
        parts = [((x[part],), x[part]) for part in ("train", "val", "test")]
        return TensorDataModule(*parts, batch_size=self.recipe.batch_size, seed=seed, transform=spectra)

    def model(self) -> nn.Module:
        """See `Task`."""
        from .generator import Generator

        return Generator(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def criterion(self) -> nn.Module:
        """See `Task`. The discriminators of a GAN are new in every training, and are left behind at its end."""
        from .losses import Adversarial

        return Adversarial() if self.training == "gan" else super().criterion()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """How far the spectra are apart, at several resolutions [10 dB]."""
        from .losses import spectral

        return spectral(outputs, target).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """The loss, with the teacher's waveforms as the target; there is no temperature."""
        return self.loss(outputs, taught)

    def metric(self) -> Metric:
        """See `Task`."""
        from .metrics import LogMelDistance

        return LogMelDistance()

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .metrics import LogSpectralDistance

        return {"multi_resolution_log_spectral_distance": LogSpectralDistance()}

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """See `Task`."""
        from .waveforms import spectra

        return spectra(self._prepared().load()["test"][:batch_size])

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .waveforms import build

        return prepared(f"mandarin_vocoder-v{self.version}", build)
