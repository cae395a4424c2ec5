"""What phones a clip consists of, and its log-mel energies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.data import obtain

from .._log_mel import HOP, hidden, log_mel, padded, standardised
from .._syllables import FINALS, HELD_OUT, INITIALS, PACKAGE, TONES, Clip, clips, parted, split

PHONES = (*INITIALS[1:], *FINALS[1:], *(str(tone) for tone in TONES))  # class 0 is the blank, PHONES[i] class i + 1
MOST = 3  # phones of a clip
PADDING = -1  # of a target
WINDOW, FFT = 640, 1024  # samples: 40 ms tell harmonics 100 Hz apart
BANDS = 64
FRAMES = 64  # .64 s: all clips end before


def build() -> dict[str, np.ndarray]:
    """Features float32 [n, 1, BANDS, FRAMES], standardised by band, 0 from the clip's end; frames and phones int64."""
    return features(obtain(PACKAGE) / PACKAGE.data)


def features(folder: Path, held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """The parts, from a folder of clips."""
    found = clips(folder)
    part, waveforms = split(found, held_out), [clip.audio() for clip in found]
    lengths = torch.tensor([min(-(-len(waveform) // HOP), FRAMES) for waveform in waveforms])
    samples, before = (FRAMES - 1) * HOP + FFT, (FFT - HOP) // 2  # so that frame i lies around sample (i + ½) · HOP
    spectra = log_mel(torch.stack([padded(x, samples, before) for x in waveforms]), BANDS, WINDOW, FFT)
    x = standardised(spectra, torch.tensor([name == "train" for name in part]))
    x = x * (torch.arange(FRAMES) < lengths[:, None, None])
    target = np.array([phones(clip) for clip in found])
    return parted({"features": x.unsqueeze(1).numpy(), "lengths": lengths.numpy(), "target": target}, part)


def phones(clip: Clip) -> list[int]:
    """The classes of a clip's phones, padded with PADDING: initial, final and tone, the first two where it has them."""
    found = [PHONES.index(name) + 1 for name in (clip.initial, clip.final, str(clip.tone)) if name]
    return found + [PADDING] * (MOST - len(found))


def augment(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Hide up to 8 bands and 5 frames."""
    return hidden(x, bands=8, frames=5), lengths
