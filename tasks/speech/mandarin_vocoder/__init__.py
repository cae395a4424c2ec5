"""Mandarin vocoder: how well can the spectrum of a spoken syllable be turned into sound?

Data: 2,334 clips (median .32 s) of 1,187 syllables with tone, by two speakers, from Debian's gcin-voice. 24 clips in
the neutral tone are left out. Licences: GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5): fetched, never redistributed.
Split: by syllable with tone, 240 test (470 clips), 120 validation, the rest training; both speakers of a syllable lie
in one part. The split is the same for every seed.
Model: residual convolutions as in HiFi-GAN (Kong, Kim and Bae, 2020) at 100 Hz, and one transposed convolution to
16 kHz that begins as an inverse Fourier transform, as in iSTFTNet (Kaneko et al., 2022); trained from scratch. With
`gan`, three period discriminators are trained with the generator and then dropped.
Metric: mean absolute difference of the log-mel spectra of both waveforms [dB], including the silence that pads the
clips; also reported: the difference of the log spectra in bins at three resolutions. Here .86 and 1.02 dB with
`spectral`.
Baseline: Griffin-Lim with 60 rounds, .30 and .97 dB. This is better, but it converts between waveform and spectrum 60
times, while the network is called once. Griffin-Lim's random phases alone, 2.77 and 1.71 dB; silence, 7.71 and 3.39 dB.
Known limits: 30 s of training, far less than vocoders usually get. `gan` takes twice as long and is no better by these
distances (validation .92 dB), which do not measure what a GAN improves. Nobody has judged the sound by ear. Each clip
is padded to .64 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Part, Quality, Recipe, TensorData, TensorTask

from .._syllables import GCIN_VOICE

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import Batch

RECIPES = {
    "spectral": Recipe(epochs=3, batch_size=16, learning_rate=0.004),
    "gan": Recipe(epochs=3, batch_size=16, learning_rate=0.003),
}


@dataclass(frozen=True)
class MandarinVocoder(TensorTask):
    """Inputs float32 [batch, 80, 64], log-mel spectra [dB]; outputs and target [batch, 10240], waveforms at 16 kHz."""

    training: Literal["spectral", "gan"] = Field("spectral", description="gan: discriminators judge the waveforms too")
    width: int = Field(128, ge=8, le=1024, description="channels of the generator's residual blocks")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Mandarin vocoder"
    domain: ClassVar[str] = "speech"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "GPL-3/LGPL-3 (speaker 3), CC-BY-3 (speaker 5)"
    archives: ClassVar[tuple[Source, ...]] = (GCIN_VOICE,)
    quality: ClassVar[Quality] = Quality("log_mel_distance", "dB", higher_is_better=False, target=1.0)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the training, chosen on the validation split."""
        return RECIPES[self.training]

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .waveforms import build, spectra

        return TensorData(build, transform=spectra)

    def samples(self, arrays: dict[str, Tensor], part: Part) -> Batch:
        """See `TensorTask`. The waveforms are the target, and `transform` makes the inputs of them."""
        return (arrays[part],), arrays[part]

    def model(self) -> nn.Module:
        """See `Task`."""
        from .generator import Generator

        return Generator(self.width)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """See `Task`. The discriminators of a GAN are new in each training and are dropped at its end."""
        from .losses import Adversarial

        return Adversarial() if self.training == "gan" else super().criterion()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The distance of the spectra at several resolutions [10 dB]."""
        from .losses import spectral

        return spectral(outputs, target).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """The loss, with the teacher's waveforms as the target. The temperature has no effect."""
        return self.loss(outputs, taught)

    def metric(self) -> Metric:
        """See `Task`."""
        from .metrics import LogMelDistance

        return LogMelDistance()

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .metrics import LogSpectralDistance

        return {"multi_resolution_log_spectral_distance": LogSpectralDistance()}
