"""Makes log-mel energies of the clips where the harmonics of a voice lie, labelled with their tones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.data import obtain

from .._log_mel import HOP, hidden, log_mel, padded, shifted, standardised
from .._syllables import GCIN_VOICE, HELD_OUT, TONES, clips, parted, split

WINDOW, FFT = 640, 1024  # samples: 40 ms tell harmonics 100 Hz apart
BANDS, HIGHEST = 48, 1_500.0  # Hz; bands lie about 20 Hz apart
FRAMES = 64  # .64 s; no clip is longer


def build() -> dict[str, np.ndarray]:
    """Make features float32 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part."""
    return features(obtain(GCIN_VOICE) / GCIN_VOICE.data)


def features(folder: Path, held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """Make the features and labels of each part, from a folder of clips."""
    found = clips(folder)
    part = split(found, held_out)
    waveforms = torch.stack([padded(clip.audio(), (FRAMES - 1) * HOP + FFT, before=(FFT - HOP) // 2) for clip in found])
    spectra = log_mel(waveforms, BANDS, WINDOW, FFT, HIGHEST)
    x = standardised(spectra, torch.tensor([name == "train" for name in part])).unsqueeze(1).numpy()
    return parted({"features": x, "labels": np.array([TONES.index(clip.tone) for clip in found])}, part)


def augment(x: Tensor) -> tuple[Tensor]:
    """Shift each clip by up to 40 ms, then hide up to 7 bands and 7 frames."""
    return (hidden(shifted(x)),)
