"""LibriSpeech's utterances: what a model gets to see of them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad

from .._log_mel import HOP, hidden, log_mel, padded
from .corpus import covering, folder, listed, read

WINDOW, FFT = 400, 1024  # samples: 25 ms, in bins so narrow that every band has one
BANDS = 64
LONGEST = 1_670  # frames, 16.7 s: few training utterances last longer, and a batch is as long as its longest
MULTIPLE = 4  # frames


class Utterances:
    """Features that are computed when they are asked for, in place of a tensor [n, 1, BANDS, frames] of all."""

    def __init__(self, files: list[Path], frames: int) -> None:
        self.files, self.frames = files, frames

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Iterable[int]) -> Tensor:
        """Those at these places, float32 [n, 1, BANDS, frames], 0 from the utterance's end."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return torch.stack(list(pool.map(self._features, [self.files[i] for i in chosen])))

    def _features(self, file: Path) -> Tensor:
        x = features(file)
        return pad(x, (0, self.frames - x.shape[-1]))


Part = tuple[tuple[Utterances, Tensor], Tensor]  # utterances and their frames, and the target


def part(name: str, arrays: dict[str, Tensor]) -> Part:
    """A part, from what was built; of the training utterances those of up to LONGEST frames."""
    files, frames, target = listed(folder())[name], arrays[f"{name}_frames"], arrays[f"{name}_target"]
    if name == "train":
        kept = frames <= LONGEST
        files, frames, target = [files[i] for i in kept.nonzero().flatten()], frames[kept], target[kept]
    return (Utterances(files, _rounded(frames)), frames), target


def examples(arrays: dict[str, Tensor], n: int) -> tuple[Tensor, Tensor]:
    """The first n test inputs, padded to the longest of all."""
    (utterances, frames), _ = part("test", arrays)
    return utterances[range(min(n, len(frames)))], frames[:n]


def features(file: Path) -> Tensor:
    """Log-mel energies float32 [1, BANDS, frames], standardised by band over the utterance."""
    audio, _ = read(soundfile.read, file, dtype="float32")
    samples = (covering(len(audio)) - 1) * HOP + FFT
    loudest = max(np.abs(audio).max(), np.finfo(np.float32).tiny)
    # So that frame i lies around sample (i + ½) · HOP.
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
