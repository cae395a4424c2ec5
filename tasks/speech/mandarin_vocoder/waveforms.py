"""The recorded waveforms, and what the vocoder gets of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .._log_mel import padded
from .._spectra import SAMPLES, log_mel
from .._syllables import HELD_OUT, Clip, obtained, split


def build() -> dict[str, np.ndarray]:
    """Waveforms of each part, float32 [n, SAMPLES]: the clips, padded with silence."""
    return arrays(obtained())


def arrays(found: Sequence[Clip], held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """The parts of these clips."""
    waveforms = torch.stack([padded(clip.audio(), SAMPLES) for clip in found]).numpy()
    part = np.array(split(found, held_out))
    return {name: waveforms[part == name] for name in ("train", "val", "test")}


def spectra(waveforms: Tensor) -> tuple[Tensor]:
    """The inputs of a batch: log-mel spectra."""
    return (log_mel(waveforms),)
