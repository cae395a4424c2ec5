"""Makes the model's inputs of LibriSpeech's utterances."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad

from breakeven.data.loaders import Batch
from breakeven.task import Part

from .._log_mel import HOP, hidden, log_mel, padded
from .corpus import covering, folder, listed, read

WINDOW, FFT = 400, 1024  # samples; 25 ms, with bins so narrow that each band has one
BANDS = 64
LONGEST = 1_670  # frames (16.7 s); few training utterances are longer, and the longest sets a batch's length
MULTIPLE = 4  # frames


class Utterances:
    """Features that are computed when they are indexed, in place of a tensor [n, 1, BANDS, frames] of all."""

    def __init__(self, files: list[Path], frames: int) -> None:
        self.files, self.frames = files, frames

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Iterable[int] | slice) -> Tensor:
        """Compute the features at these places, float32 [n, 1, BANDS, frames], 0 after an utterance's end."""
        files = self.files[chosen] if isinstance(chosen, slice) else [self.files[i] for i in chosen]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return torch.stack(list(pool.map(self._features, files)))

    def _features(self, file: Path) -> Tensor:
        x = features(file)
        return pad(x, (0, self.frames - x.shape[-1]))


def samples(arrays: dict[str, Tensor], part: Part) -> Batch:
    """The utterances and frames of a part, and its target; training utterances have up to LONGEST frames."""
    files, frames, target = listed(folder())[part], arrays[f"{part}_frames"], arrays[f"{part}_target"]
    if part == "train":
        kept = frames <= LONGEST
        files, frames, target = [files[i] for i in kept.nonzero().flatten()], frames[kept], target[kept]
    return (cast(Tensor, Utterances(files, _rounded(frames))), frames), target


def features(file: Path) -> Tensor:
    """Read an utterance as log-mel energies float32 [1, BANDS, frames], standardised by band over the utterance."""
    audio, _ = read(soundfile.read, file, dtype="float32")
    samples = (covering(len(audio)) - 1) * HOP + FFT
    loudest = max(np.abs(audio).max(), np.finfo(np.float32).tiny)
    # This padding puts frame i around sample (i + ½) · HOP.
    x = log_mel(padded(audio / loudest, samples, (FFT - HOP) // 2)[None], BANDS, WINDOW, FFT)
    std, mean = torch.std_mean(x, dim=2, keepdim=True)
    return (x - mean) / std.clamp(min=1e-3)


def augment(x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Hide two spans of up to 12 bands and two of up to 40 frames."""
    for _ in range(2):
        x = hidden(x, bands=12, frames=40)
    return x, frames


def _rounded(frames: Tensor) -> int:
    return -(-int(frames.max()) // MULTIPLE) * MULTIPLE
