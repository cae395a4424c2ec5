"""Computes log energies in mel bands, standardises them and changes them at random for training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ._syllables import RATE

WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms every 10 ms
BANDS = 40
LOWEST, HIGHEST = 60.0, 7_800.0  # Hz, the edges of the mel filters
FLOOR = 1e-4  # added to the energies; far below the energy of speech that peaks at 1


def standardised(spectra: Tensor, chosen: Tensor) -> Tensor:
    """Standardise spectra [n, bands, frames]: each band gets mean 0 and deviation 1 over the samples in `chosen`."""
    std, mean = torch.std_mean(spectra[chosen], dim=(0, 2), keepdim=True)
    return (spectra - mean) / std


def padded(audio: np.ndarray, samples: int, before: int = 0) -> Tensor:
    """Cut or pad a waveform to `samples` samples; the first `before` of them are silence."""
    kept = torch.from_numpy(audio[: samples - before])
    return pad(kept, (before, samples - before - len(kept)))


def log_mel(
    waveforms: Tensor, bands: int = BANDS, window: int = WINDOW, fft: int = FFT, highest: float = HIGHEST
) -> Tensor:
    """Log energies in mel bands [n, bands, 1 + (samples - fft) // HOP] of waveforms [n, samples] at 16 kHz."""
    spectrum = torch.stft(waveforms, fft, HOP, window, torch.hann_window(window), center=False, return_complex=True)
    return torch.log(mel_filters(bands, fft, highest) @ spectrum.abs().square() + FLOOR)


def mel_filters(bands: int, fft: int, highest: float) -> Tensor:
    """Triangular filters [bands, fft / 2 + 1], equally wide in mel = 2595 log10(1 + Hz / 700) (O'Shaughnessy, 1987)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST, highest))
    edges = 700 * (10 ** (torch.linspace(low, high, bands + 2) / 2595) - 1)
    left, centre, right = (edges[i : i + bands, None] for i in range(3))
    hz = torch.linspace(0, RATE / 2, fft // 2 + 1)
    return torch.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)).clamp(min=0)


def shifted(x: Tensor, most: int = 4) -> Tensor:
    """Shift each sample of [n, …, frames] by up to `most` frames, and repeat its first or last frame in the gap."""
    source = torch.arange(x.shape[-1]) - torch.randint(-most, most + 1, (len(x), 1))
    source = source.clamp(0, x.shape[-1] - 1)
    return x.gather(-1, source.reshape(len(x), *[1] * (x.dim() - 2), -1).expand_as(x))


def hidden(x: Tensor, bands: int = 7, frames: int = 7) -> Tensor:
    """Set a random span of bands and one of frames of [n, 1, bands, frames] to 0 (SpecAugment: Park et al., 2019)."""
    n, _, height, width = x.shape
    return x.masked_fill(_spans(n, height, bands)[:, None, :, None] | _spans(n, width, frames)[:, None, None, :], 0)


def _spans(n: int, length: int, longest: int) -> Tensor:
    """Marks [n, length] that are true in one random span of up to `longest` places in each row."""
    start, width = torch.randint(0, length, (n, 1)), torch.randint(0, longest + 1, (n, 1))
    place = torch.arange(length)
    return (place >= start) & (place < start + width)
