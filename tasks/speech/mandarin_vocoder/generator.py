"""The generator, as in HiFi-GAN and iSTFTNet: residual convolutions, then a transposed one from 100 Hz to 16 kHz."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .._log_mel import HIGHEST, HOP, LOWEST
from .._spectra import BANDS, FRAMES
from .._syllables import RATE

KERNEL = 3 * HOP  # samples that a frame adds to, so that three frames overlap
BINS = KERNEL // 2 + 1
LOUDEST = 1.0  # the highest log amplitude; above that of speech that peaks at 1, and it keeps waves finite
MIDDLE, RANGE = -40.0, 20.0  # dB; roughly the mean and the spread of a log-mel spectrum


class Generator(nn.Module):
    """Makes waveforms [batch, FRAMES · HOP] of log-mel spectra [dB], float32 [batch, BANDS, FRAMES].

    For each frame and frequency, the network gives the amplitudes of a wave and of a noise, and the phase of the wave.
    The transposed convolution begins as the inverse Fourier transform under a Hann window (Kaneko et al., 2022,
    "iSTFTNet").
    """

    wave: Tensor  # phases [BINS, FRAMES]
    noise: Tensor  # phases [BINS, FRAMES]

    def __init__(self, width: int) -> None:
        super().__init__()
        residual = [Residual(width, dilation) for dilation in (1, 3, 1, 3)]
        head = nn.Conv1d(width, 3 * BINS, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(cast(Tensor, head.bias))
        self.layers = nn.Sequential(nn.Conv1d(BANDS, width, 7, padding=3), *residual, nn.LeakyReLU(0.1), head)
        self.envelope = nn.Conv1d(BANDS, 2 * BINS, 1)
        self.synthesis = nn.ConvTranspose1d(2 * BINS, 1, KERNEL, stride=HOP, padding=HOP, bias=False)
        with torch.no_grad():
            self.envelope.weight.copy_(_nearest_bands().repeat(2, 1).unsqueeze(2))
            cast(Tensor, self.envelope.bias).fill_(-6.0)  # roughly that of a steady sound
            self.synthesis.weight.copy_(_inverse_fourier())
        random = torch.rand(2, BINS, FRAMES, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
        hop = torch.outer(torch.arange(BINS), torch.arange(FRAMES)) * (2 * torch.pi * HOP / KERNEL)
        # A wave's phase continues from frame to frame.
        self.register_buffer("wave", hop % (2 * torch.pi) + random[0, :, :1])
        self.register_buffer("noise", random[1])

    def forward(self, spectra: Tensor) -> Tensor:
        x = (spectra - MIDDLE) / RANGE
        drawn = self.layers(x)
        loud, hiss = (drawn[:, : 2 * BINS] + self.envelope(x)).clamp(max=LOUDEST).exp().chunk(2, dim=1)
        phase = drawn[:, 2 * BINS :] + self.wave
        real = loud * phase.cos() + hiss * self.noise.cos()
        imaginary = loud * phase.sin() + hiss * self.noise.sin()
        return self.synthesis(torch.cat([real, imaginary], dim=1)).squeeze(1)


class Residual(nn.Module):
    """HiFi-GAN's residual block (Kong, Kim and Bae, 2020)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
            nn.LeakyReLU(0.1),
            nn.Conv1d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _nearest_bands() -> Tensor:
    """The matrix [BINS, BANDS] from scaled log-mel energies to log amplitudes: each bin from the bands around it."""
    mel = 2595 * torch.log10(1 + torch.tensor([LOWEST, HIGHEST]) / 700)
    hertz = torch.linspace(0, RATE / 2, BINS)
    place = (2595 * torch.log10(1 + hertz / 700) - mel[0]) / (mel[1] - mel[0]) * (BANDS + 1) - 1
    near = 1 - (place.clamp(0, BANDS - 1).unsqueeze(1) - torch.arange(BANDS)).abs()
    return near.clamp(min=0) * (RANGE * torch.log(torch.tensor(10.0)) / 20)


def _inverse_fourier() -> Tensor:
    """The kernel [2 · BINS, 1, KERNEL] of the inverse Fourier transform: cosines, then minus sines, under a window."""
    turns = torch.outer(torch.arange(BINS), torch.arange(KERNEL)) * (2 * torch.pi / KERNEL)
    return (torch.cat([turns.cos(), -turns.sin()]) * torch.hann_window(KERNEL)).unsqueeze(1)
