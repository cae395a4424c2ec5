"""Makes log-mel energies of the clips, labelled with their initials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.data import obtain

from .._log_mel import FFT, HOP, hidden, log_mel, padded, shifted, standardised
from .._syllables import GCIN_VOICE, HELD_OUT, INITIALS, clips, parted, split

FRAMES = 48  # .48 s; the initial comes first, and half of the clips end within .33 s


def build() -> dict[str, np.ndarray]:
    """Make features float32 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part."""
    return features(obtain(GCIN_VOICE) / GCIN_VOICE.data)


def features(folder: Path, held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """Make the features and labels of each part, from a folder of clips."""
    found = clips(folder)
    part = split(found, held_out)
    spectra = log_mel(torch.stack([padded(clip.audio(), (FRAMES - 1) * HOP + FFT) for clip in found]))
    x = standardised(spectra, torch.tensor([name == "train" for name in part])).unsqueeze(1).numpy()
    return parted({"features": x, "labels": np.array([INITIALS.index(clip.initial) for clip in found])}, part)


def augment(x: Tensor) -> tuple[Tensor]:
    """Shift each clip by up to 40 ms, then hide up to 7 bands and 7 frames."""
    return (hidden(shifted(x)),)
