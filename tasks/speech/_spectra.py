"""Mel spectra of speech in decibels and their way back to sound: what the synthesis and the vocoder share."""

from __future__ import annotations

import torch
from torch import Tensor

from ._log_mel import HIGHEST, HOP, mel_filters

FFT, WINDOW = 1024, 640  # samples: 40 ms every 10 ms, so that four windows cover every sample
BANDS, FRAMES = 80, 64
SAMPLES = FRAMES * HOP  # .64 s
FULL_WAVE = WINDOW / 4  # magnitude of a wave of amplitude 1 at a bin's own frequency, under a Hann window
FLOOR = 1e-6  # of the power of a full wave: what lies 60 dB below is silence


def log_mel(waveforms: Tensor) -> Tensor:
    """Power in mel bands [dB]: [batch, SAMPLES] at 16 kHz to [batch, BANDS, FRAMES], frame i around sample i · HOP."""
    power = _stft(waveforms).abs().square()
    return 10 * torch.log10(mel_filters(BANDS, FFT, HIGHEST).to(power) @ power + FLOOR)


def griffin_lim(spectra: Tensor, rounds: int = 60) -> Tensor:
    """Waveforms [batch, SAMPLES] of log-mel spectra [batch, BANDS, FRAMES], their phases estimated.

    Griffin and Lim (1984) with the momentum of Perraudin, Balazs and Søndergaard (2013), from random phases, the same
    in every call.
    """
    magnitude = _linear(10 ** (spectra / 10) - FLOOR).sqrt()
    turn = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(0))
    phase, before = torch.polar(torch.ones_like(turn), 2 * torch.pi * turn), torch.zeros(())
    for _ in range(rounds):
        rebuilt = _stft(_istft(magnitude * phase))
        phase, before = torch.sgn(rebuilt - 0.99 / 1.99 * before), rebuilt
    return _istft(magnitude * phase)


def _linear(power: Tensor) -> Tensor:
    """Power in bins from that in mel bands, both non-negative: Lee and Seung's multiplicative updates (2000)."""
    filters, tiny = mel_filters(BANDS, FFT, HIGHEST).to(power), 1e-12
    target = filters.T @ power.clamp(min=0)
    bins = target / filters.sum(0).unsqueeze(1).clamp(min=tiny)
    for _ in range(50):
        bins = bins * target / (filters.T @ (filters @ bins)).clamp(min=tiny)
    return bins


def _stft(waveforms: Tensor) -> Tensor:
    """Complex [batch, FFT / 2 + 1, FRAMES], of magnitude 1 for a full wave."""
    window = torch.hann_window(WINDOW, device=waveforms.device)
    spectrum = torch.stft(waveforms, FFT, HOP, WINDOW, window, pad_mode="constant", return_complex=True)
    return spectrum[..., :FRAMES] / FULL_WAVE


def _istft(spectrum: Tensor) -> Tensor:
    window = torch.hann_window(WINDOW, device=spectrum.device)
    return torch.istft(spectrum * FULL_WAVE, FFT, HOP, WINDOW, window, length=SAMPLES)
