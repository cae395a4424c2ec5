"""Turns speech into mel spectra in decibels and back into sound, for the synthesis and the vocoder."""

from __future__ import annotations

import torch
from torch import Tensor

from ._log_mel import HIGHEST, HOP, mel_filters

FFT, WINDOW = 1024, 640  # samples: 40 ms every 10 ms, so that four windows cover every sample
BANDS, FRAMES = 80, 64
SAMPLES = FRAMES * HOP  # .64 s
FULL_WAVE = WINDOW / 4  # the magnitude of a wave of amplitude 1 at a bin's frequency, under a Hann window
FLOOR = 1e-6  # share of a full wave's power: sound 60 dB below a full wave is silence


def log_mel(waveforms: Tensor) -> Tensor:
    """Power in mel bands [dB], [batch, BANDS, FRAMES], of waveforms [batch, SAMPLES] at 16 kHz.

    Frame i lies around sample i · HOP.
    """
    power = _stft(waveforms).abs().square()
    return 10 * torch.log10(mel_filters(BANDS, FFT, HIGHEST).to(power) @ power + FLOOR)


def griffin_lim(spectra: Tensor, rounds: int = 60) -> Tensor:
    """Waveforms [batch, SAMPLES] of log-mel spectra [dB], [batch, BANDS, FRAMES], with estimated phases.

    The method is Griffin and Lim's (1984) with the momentum of Perraudin, Balazs and Søndergaard (2013). It begins with
    the same random phases in each call.
    """
    magnitude = _linear(10 ** (spectra / 10) - FLOOR).sqrt()
    turn = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(0))
    phase, before = torch.polar(torch.ones_like(turn), 2 * torch.pi * turn), torch.zeros(())
    for _ in range(rounds):
        rebuilt = _stft(_istft(magnitude * phase))
        phase, before = torch.sgn(rebuilt - 0.99 / 1.99 * before), rebuilt
    return _istft(magnitude * phase)


def _linear(power: Tensor) -> Tensor:
    """Estimate the power in bins from the power in mel bands, by Lee and Seung's multiplicative updates (2000)."""
    filters, tiny = mel_filters(BANDS, FFT, HIGHEST).to(power), 1e-12
    target = filters.T @ power.clamp(min=0)
    bins = target / filters.sum(0).unsqueeze(1).clamp(min=tiny)
    for _ in range(50):
        bins = bins * target / (filters.T @ (filters @ bins)).clamp(min=tiny)
    return bins


def _stft(waveforms: Tensor) -> Tensor:
    """Complex spectra [batch, FFT / 2 + 1, FRAMES]; a full wave has magnitude 1."""
    window = torch.hann_window(WINDOW, device=waveforms.device)
    spectrum = torch.stft(waveforms, FFT, HOP, WINDOW, window, pad_mode="constant", return_complex=True)
    return spectrum[..., :FRAMES] / FULL_WAVE


def _istft(spectrum: Tensor) -> Tensor:
    window = torch.hann_window(WINDOW, device=spectrum.device)
    return torch.istft(spectrum * FULL_WAVE, FFT, HOP, WINDOW, window, length=SAMPLES)
