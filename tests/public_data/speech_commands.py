"""Speech Commands."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

TEXT = "speech_commands-width=4"
RATE = 16_000
SPEAKERS = {"train": 48, "validation": 16, "testing": 16}  # who say each word once


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Its archive in the cache's folder for downloads."""
    from breakeven.plugins.tasks.speech.speech_commands import clips

    content = write(folder / "downloads" / clips.ARCHIVE.name, clips.WORDS[::4]).read_bytes()
    patch.setenv("BREAKEVEN_CACHE", str(folder))
    patch.setattr(clips, "ARCHIVE", replace(clips.ARCHIVE, checksum=f"sha256:{hashlib.sha256(content).hexdigest()}"))


def write(path: Path, words: tuple[str, ...], speakers: dict[str, int] = SPEAKERS) -> Path:
    """Its archive of some of the words, each a wave of its own pitch, and of one recording of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    clips, listed = {}, {}
    for part, n in speakers.items():
        listed[part] = [f"{word}/{draw.bytes(4).hex()}_nohash_0.wav" for word in words for _ in range(n)]
        for name in listed[part]:
            clips[name] = tone(400 + 350 * words.index(name.partition("/")[0]), draw)
    files = {f"{part}_list.txt": "\n".join(listed[part]).encode() + b"\n" for part in ("validation", "testing")}
    files["LICENSE"] = b"CC BY 4.0\n"
    files["_background_noise_/white_noise.wav"] = wav(draw.normal(0, 0.1, 3 * RATE))
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in sorted((files | clips).items()):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tone(hertz: float, draw: np.random.Generator) -> bytes:
    """A file with a wave of up to 1 s, in noise."""
    time = np.arange(draw.integers(RATE // 2, RATE + 1)) / RATE
    return wav(0.3 * np.sin(2 * np.pi * hertz * time) + draw.normal(0, 0.01, len(time)))


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """A file of 16 bits a sample."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
