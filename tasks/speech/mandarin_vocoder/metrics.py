"""Measures the distance [dB] of the spectra of a waveform and of the recorded waveform."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MeanAbsoluteError

from .._spectra import log_mel
from .losses import RESOLUTIONS, log_spectrum


class LogMelDistance(MeanAbsoluteError):
    """Mean absolute difference of the log-mel spectra."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in waveforms, both [batch, SAMPLES]."""
        super().update(log_mel(outputs).flatten(), log_mel(target).flatten())


class LogSpectralDistance(MeanAbsoluteError):
    """Mean absolute difference of the log spectra in bins, over three resolutions."""

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in waveforms, both [batch, SAMPLES]."""
        for each in RESOLUTIONS:
            super().update(log_spectrum(outputs, *each).flatten(), log_spectrum(target, *each).flatten())
