"""The losses of the generator: spectra at several resolutions, and discriminators that are trained with it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import leaky_relu, pad

from .._spectra import FLOOR, log_mel

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))  # window and hop [samples]
MATCHING = 2.0  # the weight of feature matching, as in HiFi-GAN


def spectral(outputs: Tensor, target: Tensor) -> Tensor:
    """The sum [batch] of mean absolute differences [10 dB] of log-mel spectra, and of log spectra per resolution."""
    views = [(log_mel(outputs), log_mel(target))]
    views += [(log_spectrum(outputs, *each), log_spectrum(target, *each)) for each in RESOLUTIONS]
    return sum(((found - wanted).abs().mean((1, 2)) for found, wanted in views), torch.zeros(())) / 10


def log_spectrum(waveforms: Tensor, window: int, hop: int) -> Tensor:
    """Power [dB] in bins, [batch, window / 2 + 1, frames]."""
    hann = torch.hann_window(window, device=waveforms.device)
    spectrum = torch.stft(waveforms, window, hop, window=hann, pad_mode="constant", return_complex=True)
    return 10 * torch.log10((spectrum / (window / 4)).abs().square() + FLOOR)


class Adversarial(nn.Module):
    """The spectral loss, plus the loss of a least-squares GAN (Mao et al., 2017) with feature matching.

    One optimiser trains both sides. The discriminators see detached outputs, and the generator is judged by
    discriminators with detached weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(Period(period) for period in (2, 3, 5))

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        loss = spectral(outputs, target).mean()
        for each in self.discriminators:
            fixed = {name: weight.detach() for name, weight in each.named_parameters()}
            *real, on_real = each(target)
            on_fake = each(outputs.detach())[-1]
            *fake, judged = functional_call(each, fixed, (outputs,))
            loss = loss + (on_real - 1).square().mean() + on_fake.square().mean() + (judged - 1).square().mean()
            loss = loss + MATCHING * sum((f - r.detach()).abs().mean() for f, r in zip(fake, real, strict=True))
        return loss


class Period(nn.Module):
    """A small period discriminator of HiFi-GAN, which compares samples that lie `period` apart."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        channels = [1, 8, 16, 32, 64]
        pairs = itertools.pairwise(channels)
        self.layers = nn.ModuleList(nn.Conv2d(given, out, (5, 1), (3, 1), padding=(2, 0)) for given, out in pairs)
        self.score = nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, waveforms: Tensor) -> list[Tensor]:
        """The outputs of all layers; the last are the scores."""
        x = pad(waveforms, (0, -waveforms.shape[1] % self.period)).unflatten(1, (-1, self.period)).unsqueeze(1)
        features = []
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.1)
            features.append(x)
        return [*features, self.score(x)]
