"""Has eSpeak NG say the words in many voices, adds noise and makes log-mel energies."""

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

from breakeven.data import obtain
from breakeven.errors import UserError

from .._log_mel import FFT, HOP, hidden, log_mel, padded, shifted, standardised
from .._syllables import RATE, parted
from . import ESPEAK

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS, SPEEDS = ("en-us", "en-gb-scotland"), (150, 200)  # words per minute
NOISE = 5.0  # dB of the word's power above the white noise's
FRAMES = 80  # .8 s; nearly all words last less than .6 s
LATEST = 3_200  # samples (.2 s): the latest beginning of a word
HELD_OUT = {"test": 18, "val": 12}  # numbers of families of voices

Utterance = tuple[str, int, str]  # voice, words per minute, word


def build() -> dict[str, np.ndarray]:
    """Make features float32 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part."""
    folder = obtain(ESPEAK) / "espeakng_loader"
    utterances = listed(voices(folder))
    return features(utterances, spoken(utterances, folder))


def voices(folder: Path) -> list[str]:
    """The names of the voice variants that come with the engine."""
    return sorted(path.name for path in (folder / "espeak-ng-data" / "voices" / "!v").iterdir())


def listed(variants: list[str]) -> list[Utterance]:
    """All utterances: each word in each variant, accent and speed."""
    said = itertools.product(variants, ACCENTS, SPEEDS, WORDS)
    return [(f"{accent}+{variant}", speed, word) for variant, accent, speed, word in said]


def family(voice: str) -> str:
    """The family of a voice: its variant's name without digits, since `steph2` and `steph3` may be made alike."""
    return voice.partition("+")[2].rstrip("0123456789").lower()


def split(utterances: list[Utterance], held_out: dict[str, int] = HELD_OUT) -> list[str]:
    """The part of each utterance: a family of voices lies in one part, the same for every seed."""
    families = [family(voice) for voice, _, _ in utterances]
    names = sorted(set(families))
    order = iter(np.random.default_rng(0).permutation(len(names)))
    part = {names[next(order)]: name for name, count in held_out.items() for _ in range(count)}
    return [part.get(name, "train") for name in families]


def spoken(utterances: list[Utterance], folder: Path) -> list[np.ndarray]:
    """Synthesise each utterance, float32 samples at 16 kHz.

    The engine is fetched machine code. It may run here because its package is pinned and verified by its sha256.

    Raises:
        UserError: the engine does not run on this machine.
    """
    program = Path(__file__).with_name("synthesis.py")
    with TemporaryDirectory() as aside:
        out = Path(aside) / "said.npz"
        # Run in the folder: the engine cuts off paths of more than about 150 characters.
        command = [sys.executable, str(program), "./libespeak-ng.so", "espeak-ng-data", str(out)]
        said = json.dumps(utterances)
        done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=folder, input=said)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise UserError(f"eSpeak NG failed ({reason}): prepare on Linux on x86-64 with glibc, and copy the cache")
        with np.load(out, allow_pickle=False) as arrays:
            rate, samples, lengths = int(arrays["rate"]), arrays["samples"], arrays["lengths"]
    waveforms = np.split(samples.astype(np.float32) / 2**15, np.cumsum(lengths)[:-1])
    return [resample_poly(waveform, RATE, rate) for waveform in waveforms]


def noisy(waveform: np.ndarray, noise: np.ndarray, onset: int) -> np.ndarray:
    """Mix a word, with its peak at 1, into noise that is NOISE dB softer; the word begins after `onset` samples."""
    said = waveform / np.abs(waveform).max()
    power = np.square(said).mean() * 10 ** (-NOISE / 10)
    return padded(said, len(noise), onset).numpy() + noise * np.sqrt(power, dtype=np.float32)


def features(utterances: list[Utterance], waveforms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Make the features and labels of each part."""
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
