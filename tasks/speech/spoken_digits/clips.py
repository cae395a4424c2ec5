"""The words as eSpeak NG says them in many voices, with noise added, as log-mel energies."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from breakeven.data import PyPI, obtain
from breakeven.errors import UserError

from .._log_mel import FFT, HOP, hidden, log_mel, padded, shifted, standardised
from .._syllables import RATE, parted

PACKAGE = PyPI(
    "espeakng-loader",
    "0.2.4",
    "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    "espeakng_loader-0.2.4-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS, SPEEDS = ("en-us", "en-gb-scotland"), (150, 200)  # words per minute
NOISE = 5.0  # dB that the word's power lies above that of white noise
FRAMES = 80  # .8 s: nearly all words last less than .6 s
LATEST = 3_200  # samples, .2 s: a word begins at any time up to then
HELD_OUT = {"test": 18, "val": 12}  # families of voices

Utterance = tuple[str, int, str]  # voice, words per minute, word


def build() -> dict[str, np.ndarray]:
    """Features float32 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part."""
    folder = obtain(PACKAGE) / "espeakng_loader"
    utterances = listed(voices(folder))
    return features(utterances, spoken(utterances, folder))


def voices(folder: Path) -> list[str]:
    """The variants of its voice that the engine comes with."""
    return sorted(path.name for path in (folder / "espeak-ng-data" / "voices" / "!v").iterdir())


def listed(variants: list[str]) -> list[Utterance]:
    """All that is said: every word in every variant, accent and speed."""
    said = itertools.product(variants, ACCENTS, SPEEDS, WORDS)
    return [(f"{accent}+{variant}", speed, word) for variant, accent, speed, word in said]


def family(voice: str) -> str:
    """What variants that may share their making have in common: `steph2` and `steph3`, `f1` and `f2`."""
    return voice.partition("+")[2].rstrip("0123456789").lower()


def split(utterances: list[Utterance], held_out: dict[str, int] = HELD_OUT) -> list[str]:
    """The part of each: all of a family of voices lies in one, the same for every seed."""
    families = [family(voice) for voice, _, _ in utterances]
    names = sorted(set(families))
    order = iter(np.random.default_rng(0).permutation(len(names)))
    part = {names[next(order)]: name for name, count in held_out.items() for _ in range(count)}
    return [part.get(name, "train") for name in families]


def spoken(utterances: list[Utterance], folder: Path) -> list[np.ndarray]:
    """float32 samples of each at 16 kHz.

    The engine is machine code that was fetched: it runs here since its package is pinned and checked by its sha256.

    Raises:
        UserError: it does not run on this machine.
    """
    program = Path(__file__).with_name("synthesis.py")
    with TemporaryDirectory() as aside:
        out = Path(aside) / "said.npz"
        # From within the folder: the engine keeps no path of more than some 150 characters.
        command = [sys.executable, program, "./libespeak-ng.so", "espeak-ng-data", out]
        how = {"text": True, "cwd": folder, "input": json.dumps(utterances)}
        done = subprocess.run(command, capture_output=True, check=False, **how)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise UserError(f"eSpeak NG failed ({said}): prepare on Linux on x86-64 with glibc, and copy the cache")
        with np.load(out, allow_pickle=False) as arrays:
            rate, samples, lengths = int(arrays["rate"]), arrays["samples"], arrays["lengths"]
    waveforms = np.split(samples.astype(np.float32) / 2**15, np.cumsum(lengths)[:-1])
    return [resample_poly(waveform, RATE, rate) for waveform in waveforms]


def noisy(waveform: np.ndarray, noise: np.ndarray, onset: int) -> np.ndarray:
    """The word, its peak at 1, after `onset` samples of as many as the noise has, which is NOISE dB softer."""
    said = waveform / np.abs(waveform).max()
    power = np.square(said).mean() * 10 ** (-NOISE / 10)
    return padded(said, len(noise), onset).numpy() + noise * np.sqrt(power, dtype=np.float32)


def features(utterances: list[Utterance], waveforms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The parts."""
    part, random = split(utterances), np.random.default_rng(0)
    noise = (random.standard_normal((FRAMES - 1) * HOP + FFT, dtype=np.float32) for _ in waveforms)
    onsets = random.integers(0, LATEST, len(waveforms))
    heard = np.stack([noisy(*each) for each in zip(waveforms, noise, onsets, strict=True)])
    x = standardised(log_mel(torch.from_numpy(heard)), torch.tensor([name == "train" for name in part]))
    labels = np.array([WORDS.index(word) for _, _, word in utterances])
    return parted({"features": x.unsqueeze(1).numpy(), "labels": labels}, part)


def augment(x: Tensor) -> tuple[Tensor]:
    """Shift each clip by up to 40 ms, then hide up to 7 bands and 7 frames."""
    return (hidden(shifted(x)),)
