"""Makes the recorded waveforms, and the vocoder's inputs of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .._log_mel import padded
from .._spectra import SAMPLES, log_mel
from .._syllables import HELD_OUT, Clip, obtained, split


def build() -> dict[str, np.ndarray]:
    """Make the waveforms of each part, float32 [n, SAMPLES]: the clips, padded with silence."""
    return arrays(obtained())


def arrays(found: Sequence[Clip], held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """Make the waveforms of these clips, by part."""
    waveforms = torch.stack([padded(clip.audio(), SAMPLES) for clip in found]).numpy()
    part = np.array(split(found, held_out))
    return {name: waveforms[part == name] for name in ("train", "val", "test")}


def spectra(waveforms: Tensor) -> tuple[Tensor]:
    """Make the inputs of a batch of waveforms: log-mel spectra [dB]."""
    return (log_mel(waveforms),)
