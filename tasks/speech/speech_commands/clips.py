"""Speech Commands' clips: where they come from, how they are split, and their log-mel energies."""

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
LISTS = {"validation_list.txt": "val", "testing_list.txt": "test"}  # all other clips train
WORDS = (
    *("backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy"),
    *("house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six", "stop"),
    *("three", "tree", "two", "up", "visual", "wow", "yes", "zero"),
)
FRAMES = 100  # 1 s: no clip is longer
AT_ONCE = 512  # files of the archive in memory


def build() -> dict[str, np.ndarray]:
    """Features float16 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part.

    Raises:
        Unavailable: the archive can neither be found nor downloaded.
        UserError: it holds something else than it should.
    """
    return features(ARCHIVE.path())


def features(path: Path) -> dict[str, np.ndarray]:
    """The parts, from an archive of `<word>/<speaker>_nohash_<number>.wav` and the lists of two of them.

    They are sorted by speaker, so that neighbours say different words. Half precision: 0.8 GB for all clips.
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
    """Energies float16 [BANDS, FRAMES] of every clip by its name, and the part of those that the lists name.

    In one pass: a compressed archive can only be read from its beginning.
    """
    spectra: dict[str, Tensor] = {}
    part_of: dict[str, str] = {}
    with tarfile.open(path) as archive:
        files = ((m.name.removeprefix("./"), archive.extractfile(m).read()) for m in archive if m.isfile())
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
    """Samples of a clip, its peak at 1, as many as FRAMES frames cover."""
    try:
        audio, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{name} in {ARCHIVE.name} cannot be read ({error.error_string.rstrip('.')})") from error
    if rate != RATE or audio.ndim != 1:
        raise UserError(f"{name} in {ARCHIVE.name} is not one channel at {RATE} Hz: get it anew from {ARCHIVE.url}")
    loudest = max(np.abs(audio).max(initial=0), np.finfo(np.float32).tiny)
    return padded(audio / loudest, (FRAMES - 1) * HOP + FFT, (FFT - HOP) // 2)
