"""Reads LibriSpeech's folder: the utterances, their lengths and their transcripts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from breakeven.data.published import named_folder
from breakeven.errors import UserError

from .._log_mel import HOP
from .._syllables import RATE

VARIABLE = "BREAKEVEN_LIBRISPEECH"
PARTS = {"train": "train-clean-100", "val": "dev-clean", "test": "test-clean"}
LAYOUT = f"a folder that holds {', '.join(PARTS.values())} as LibriSpeech's archives do"
AGAIN = "unpack the archive of its part anew, from openslr.org/12"
SYMBOLS = (" ", "'", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # class 0 is the blank; SYMBOLS[i] is class i + 1
PADDING = -1  # of a target
Content = TypeVar("Content")


def build() -> dict[str, np.ndarray]:
    """Read frames int64 [n] and classes int8 [n, longest], padded with PADDING, of each part; and the files' `sha256`.

    Raises:
        UserError: there is no such folder, or its content differs from LibriSpeech's.
    """
    root, arrays = folder(), {}
    classes: dict[str, list[list[int]]] = {}
    for part, name in PARTS.items():
        files, said = listed(root)[part], transcripts(root / name)
        with ThreadPoolExecutor() as pool:
            arrays[f"{part}_frames"] = np.array(list(pool.map(_frames, files)))
        classes[part] = [_classes(file, said) for file in files]
    longest = max(len(row) for rows in classes.values() for row in rows)
    for part, rows in classes.items():
        padded_rows = [row + [PADDING] * (longest - len(row)) for row in rows]
        arrays[f"{part}_target"] = np.array(padded_rows, dtype=np.int8)
    return arrays | {"files": np.frombuffer(bytes.fromhex(sha256(root)), np.uint8)}


def folder() -> Path:
    """The folder that the user names.

    Raises:
        UserError: the variable is not set, or the folder has another layout.
    """
    return named_folder(VARIABLE, LAYOUT, holding=tuple(PARTS.values()))


@cache
def listed(root: Path) -> dict[str, list[Path]]:
    """List the sound files of each part.

    Raises:
        UserError: a part has no files.
    """
    found = {part: sorted((root / name).glob("*/*/*.flac")) for part, name in PARTS.items()}
    for part, files in found.items():
        if not files:
            raise UserError(f"{VARIABLE}: {root / PARTS[part]} holds no <speaker>/<chapter>/*.flac: set it to {LAYOUT}")
    return found


@cache
def sha256(root: Path) -> str:
    """The sha256 over the paths and sizes of all sound files, and over all transcripts."""
    digest = hashlib.sha256()
    for part, files in listed(root).items():
        for path in files:
            digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
        for name, text in sorted(transcripts(root / PARTS[part]).items()):
            digest.update(f"{name} {text}\n".encode())
    return digest.hexdigest()


def transcripts(folder: Path) -> dict[str, str]:
    """Read the transcript of each utterance of a part, by the stem of its file."""
    lines = [line for path in folder.glob("*/*/*.trans.txt") for line in path.read_text("utf-8").splitlines()]
    return dict(line.split(" ", 1) for line in lines if " " in line)


def read(how: Callable[..., Content], file: Path, **options: str) -> Content:
    """Read a file by a function of soundfile.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return how(file, **options)
    except soundfile.LibsndfileError as error:
        raise UserError(f"{VARIABLE}: {file} cannot be read ({error.error_string.rstrip('.')}): {AGAIN}") from error


def covering(samples: int) -> int:
    """The number of frames that cover that many samples."""
    return -(-samples // HOP)


def _classes(file: Path, said: dict[str, str]) -> list[int]:
    if file.stem not in said:
        raise UserError(f"{VARIABLE}: {file.parent} holds no transcript of {file.name}: {AGAIN}")
    try:
        return [SYMBOLS.index(character) + 1 for character in said[file.stem]]
    except ValueError as error:
        raise UserError(f"{VARIABLE}: what is said in {file} has other characters than A-Z, ' and space") from error


def _frames(file: Path) -> int:
    info = read(soundfile.info, file)
    if (info.samplerate, info.channels) != (RATE, 1):
        found = f"{info.channels} channels at {info.samplerate} Hz"
        raise UserError(f"{VARIABLE}: {file} has {found}, not one at {RATE} Hz: {AGAIN}")
    return covering(info.frames)
