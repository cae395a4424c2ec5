"""A folder laid out like LibriSpeech's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

TEXT = "librispeech-network=conv-width=4"  # mandarin_syllables has the GRU, whose exports take minutes here
RATE = 16_000
WORDS = ("A", "BE", "CAB", "DAD'S")  # few letters, so that a few steps teach something
LETTER = RATE // 10  # samples
PARTS = {"train-clean-100": 128, "dev-clean": 32, "test-clean": 64}


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The folder, named, and a cache."""
    patch.setenv("BREAKEVEN_CACHE", str(folder / "cache"))
    patch.setenv("BREAKEVEN_LIBRISPEECH", str(write(folder / "LibriSpeech")))


def write(folder: Path, parts: dict[str, int] = PARTS) -> Path:
    """Its three parts of so many utterances, of two chapters each: every letter is a wave of its own pitch."""
    draw = np.random.default_rng(0)
    for part, n in parts.items():
        for _ in range(2):
            speaker, chapter = str(draw.integers(1000, 9000)), str(draw.integers(100_000, 200_000))
            place = folder / part / speaker / chapter
            place.mkdir(parents=True)
            texts = [" ".join(draw.choice(WORDS, draw.integers(1, 4))) for _ in range(n // 2)]
            names = [f"{speaker}-{chapter}-{i:04d}" for i in range(len(texts))]
            for name, text in zip(names, texts, strict=True):
                noise = draw.normal(0, 0.01, LETTER * len(text) + draw.integers(0, LETTER))
                soundfile.write(place / f"{name}.flac", noise + sung(text, len(noise)), RATE)
            lines = [f"{name} {text}\n" for name, text in zip(names, texts, strict=True)]
            (place / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return folder


def sung(text: str, samples: int) -> np.ndarray:
    """A wave for each letter, in turn: A of 400 Hz, each later one of 300 Hz more; spaces are silent."""
    time = np.arange(LETTER) / RATE
    waves = [0.3 * np.sin(2 * np.pi * (400 + 300 * (ord(x) - 65)) * time) * (x >= "A") for x in text]
    return np.pad(np.concatenate(waves), (0, samples - LETTER * len(text)))
