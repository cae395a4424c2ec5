"""Reads Speech Commands' clips, splits them and makes their log-mel energies."""

from __future__ import annotations

import io
import tarfile
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
import torch
from torch import Tensor

from breakeven.data.published import Published
from breakeven.errors import UserError

from .._log_mel import FFT, HOP, hidden, log_mel, padded, shifted, standardised
from .._syllables import RATE, parted

ARCHIVE = Published(
    "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
)
LISTS = {"validation_list.txt": "val", "testing_list.txt": "test"}  # all other clips are for training
WORDS = (
    *("backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy"),
    *("house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop"),
    *("three", "tree", "two", "up", "visual", "wow", "yes", "zero"),
)
FRAMES = 100  # 1 s; no clip is longer
AT_ONCE = 512  # files of the archive in memory at a time


def build() -> dict[str, np.ndarray]:
    """Make features float16 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part.

    Raises:
        Unavailable: the archive can neither be found nor downloaded.
        UserError: the archive has other content.
    """
    return features(ARCHIVE.path())


def features(path: Path) -> dict[str, np.ndarray]:
    """Make the arrays from an archive of `<word>/<speaker>_nohash_<number>.wav` and the lists of two parts.

    Clips are sorted by speaker, so that neighbours differ in their words. Half precision takes 0.8 GB for all clips.
    """
    spectra, part_of = _read(path)
    names = sorted(spectra, key=lambda name: PurePosixPath(name).parts[::-1])
    part = [part_of.get(name, "train") for name in names]
    stacked = torch.stack([spectra.pop(name) for name in names])
    x = standardised(stacked, torch.tensor([name == "train" for name in part])).unsqueeze(1).numpy()
    return parted({"features": x, "labels": np.array([WORDS.index(_word(name)) for name in names])}, part)


def augment(x: Tensor) -> tuple[Tensor]:
    """Shift each clip by up to 100 ms, then hide up to 7 bands and 12 frames."""
    return (hidden(shifted(x, most=10), frames=12),)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read energies float16 [BANDS, FRAMES] of each clip by name, and the parts of the clips that the lists name.

    One pass reads all, since a compressed archive can only be read from its beginning.
    """
    spectra: dict[str, Tensor] = {}
    part_of: dict[str, str] = {}
    with tarfile.open(path) as archive:
        found = ((member, archive.extractfile(member)) for member in archive)
        files = ((member.name.removeprefix("./"), file.read()) for member, file in found if file)
        while some := dict(islice(files, AT_ONCE)):
            for name in some.keys() & LISTS.keys():
                part_of |= dict.fromkeys(some[name].decode().split(), LISTS[name])
            clips = {name: _waveform(name, content) for name, content in some.items() if _word(name) in WORDS}
            if clips:
                energies = log_mel(torch.stack(list(clips.values()))).half()
                spectra |= zip(clips, energies, strict=True)
    if not spectra or set(part_of.values()) != set(LISTS.values()):
        raise UserError(f"{path} lacks its clips, or {' or '.join(LISTS)}: get it anew from {ARCHIVE.url}")
    return spectra, part_of


def _word(name: str) -> str:
    return name.partition("/")[0]


def _waveform(name: str, content: bytes) -> Tensor:
    """Read a clip as float32 samples with its peak at 1, cut or padded to FRAMES frames."""
    try:
        audio, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{name} in {ARCHIVE.name} cannot be read ({error.error_string.rstrip('.')})") from error
    if rate != RATE or audio.ndim != 1:
        raise UserError(f"{name} in {ARCHIVE.name} is not one channel at {RATE} Hz: get it anew from {ARCHIVE.url}")
    loudest = max(np.abs(audio).max(initial=0), np.finfo(np.float32).tiny)
    return padded(audio / loudest, (FRAMES - 1) * HOP + FFT, (FFT - HOP) // 2)
