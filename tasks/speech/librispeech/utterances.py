"""LibriSpeech's utterances: which there are, what is said in them, and what a model gets to see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.functional import pad

from breakeven.errors import UserError
from breakeven.published import named_folder

from .._log_mel import HOP, hidden, log_mel, padded
from .._syllables import RATE

VARIABLE = "BREAKEVEN_LIBRISPEECH"
PARTS = {"train": "train-clean-100", "val": "dev-clean", "test": "test-clean"}
LAYOUT = f"a folder that holds {', '.join(PARTS.values())} as LibriSpeech's archives do"
AGAIN = "unpack the archive of its part anew, from openslr.org/12"
SYMBOLS = (" ", "'", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # class 0 is the blank, SYMBOLS[i] class i + 1
PADDING = -1  # of a target
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


def build() -> dict[str, np.ndarray]:
    """Frames int64 [n] and classes int8 [n, longest], padded with PADDING, of each part; and `sha256`.

    Raises:
        UserError: there is no such folder, or something in it is not as LibriSpeech has it.
    """
    root, arrays, classes = folder(), {}, {}
    for part, name in PARTS.items():
        files, said = listed(root)[part], transcripts(root / name)
        with ThreadPoolExecutor() as pool:
            arrays[f"{part}_frames"] = np.array(list(pool.map(_frames, files)))
        classes[part] = [_classes(file, said) for file in files]
    longest = max(len(row) for rows in classes.values() for row in rows)
    for part, rows in classes.items():
        padded_rows = [row + [PADDING] * (longest - len(row)) for row in rows]
        arrays[f"{part}_target"] = np.array(padded_rows, dtype=np.int8)
    return arrays | {"files": np.frombuffer(bytes.fromhex(sha256()), np.uint8)}


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
    audio, _ = _read(soundfile.read, file, dtype="float32")
    samples = (_covering(len(audio)) - 1) * HOP + FFT
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


def folder() -> Path:
    """The folder that the user named.

    Raises:
        UserError: none was named, or it is not laid out so.
    """
    return named_folder(VARIABLE, LAYOUT, holding=tuple(PARTS.values()))


@cache
def listed(root: Path) -> dict[str, list[Path]]:
    """The files by part.

    Raises:
        UserError: a part has none.
    """
    found = {part: sorted((root / name).glob("*/*/*.flac")) for part, name in PARTS.items()}
    for part, files in found.items():
        if not files:
            raise UserError(f"{VARIABLE}: {root / PARTS[part]} holds no <speaker>/<chapter>/*.flac: set it to {LAYOUT}")
    return found


def sha256() -> str:
    """Over the paths and the sizes of all sound files, and over all transcripts."""
    digest, root = hashlib.sha256(), folder()
    for part, files in listed(root).items():
        for path in files:
            digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
        for name, text in sorted(transcripts(root / PARTS[part]).items()):
            digest.update(f"{name} {text}\n".encode())
    return digest.hexdigest()


def transcripts(folder: Path) -> dict[str, str]:
    """What is said in each utterance of a part, by the stem of its file."""
    lines = [line for path in folder.glob("*/*/*.trans.txt") for line in path.read_text("utf-8").splitlines()]
    return dict(line.split(" ", 1) for line in lines if " " in line)


def _classes(file: Path, said: dict[str, str]) -> list[int]:
    if file.stem not in said:
        raise UserError(f"{VARIABLE}: {file.parent} holds no transcript of {file.name}: {AGAIN}")
    try:
        return [SYMBOLS.index(character) + 1 for character in said[file.stem]]
    except ValueError as error:
        raise UserError(f"{VARIABLE}: what is said in {file} has other characters than A-Z, ' and space") from error


def _frames(file: Path) -> int:
    info = _read(soundfile.info, file)
    if (info.samplerate, info.channels) != (RATE, 1):
        found = f"{info.channels} channels at {info.samplerate} Hz"
        raise UserError(f"{VARIABLE}: {file} has {found}, not one at {RATE} Hz: {AGAIN}")
    return _covering(info.frames)


def _read(how: Callable[..., Any], file: Path, **options: str) -> Any:
    try:
        return how(file, **options)
    except soundfile.LibsndfileError as error:
        raise UserError(f"{VARIABLE}: {file} cannot be read ({error.error_string.rstrip('.')}): {AGAIN}") from error


def _covering(samples: int) -> int:
    return -(-samples // HOP)


def _rounded(frames: Tensor) -> int:
    return -(-int(frames.max()) // MULTIPLE) * MULTIPLE
