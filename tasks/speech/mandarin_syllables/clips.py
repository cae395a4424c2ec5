"""Makes log-mel energies of the clips, labelled with their phones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.data import obtain

from .._log_mel import HOP, hidden, log_mel, padded, standardised
from .._syllables import FINALS, GCIN_VOICE, HELD_OUT, INITIALS, TONES, Clip, clips, parted, split

PHONES = (*INITIALS[1:], *FINALS[1:], *(str(tone) for tone in TONES))  # class 0 is the blank; PHONES[i] is class i + 1
MOST = 3  # phones per clip
PADDING = -1  # of a target
WINDOW, FFT = 640, 1024  # samples: 40 ms tell harmonics 100 Hz apart
BANDS = 64
FRAMES = 64  # .64 s; no clip is longer


def build() -> dict[str, np.ndarray]:
    """Make features, lengths and targets of each part.

    Features are float32 [n, 1, BANDS, FRAMES], standardised by band, 0 after the clip's end. Lengths are int64 [n], in
    frames. Targets are int64 [n, MOST].
    """
    return features(obtain(GCIN_VOICE) / GCIN_VOICE.data)


def features(folder: Path, held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """Make the arrays of each part, from a folder of clips."""
    found = clips(folder)
    part, waveforms = split(found, held_out), [clip.audio() for clip in found]
    lengths = torch.tensor([min(-(-len(waveform) // HOP), FRAMES) for waveform in waveforms])
    samples, before = (FRAMES - 1) * HOP + FFT, (FFT - HOP) // 2  # frame i lies around sample (i + ½) · HOP
    spectra = log_mel(torch.stack([padded(x, samples, before) for x in waveforms]), BANDS, WINDOW, FFT)
    x = standardised(spectra, torch.tensor([name == "train" for name in part]))
    x = x * (torch.arange(FRAMES) < lengths[:, None, None])
    target = np.array([phones(clip) for clip in found])
    return parted({"features": x.unsqueeze(1).numpy(), "lengths": lengths.numpy(), "target": target}, part)


def phones(clip: Clip) -> list[int]:
    """The classes of a clip's phones: initial and final, where it has them, and tone; padded with PADDING."""
    found = [PHONES.index(name) + 1 for name in (clip.initial, clip.final, str(clip.tone)) if name]
    return found + [PADDING] * (MOST - len(found))


def augment(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Hide up to 8 bands and 5 frames."""
    return hidden(x, bands=8, frames=5), lengths
