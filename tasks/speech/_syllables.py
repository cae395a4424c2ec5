"""Reads and splits clips of spoken Mandarin syllables. Importing this module imports neither torch nor scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from breakeven.data import Debian, obtain

GCIN_VOICE = Debian(
    name="gcin-voice",
    version="0~20170223-3",
    sha256="6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70",
    filename="gcin-voice_0~20170223-3_all.deb",
    data="usr/share/gcin-voice/ogg",
    data_sha256="09c83b6805eb735ce4fb7281cea22ddc92848fdcd69864ae44cbc50abf227345",
)
INITIALS = ("", *"ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒㄓㄔㄕㄖㄗㄘㄙ")  # the first stands for no initial
FINALS = (
    *("", "ㄚ", "ㄛ", "ㄜ", "ㄝ", "ㄞ", "ㄟ", "ㄠ", "ㄡ", "ㄢ", "ㄣ", "ㄤ", "ㄥ", "ㄦ", "ㄧ", "ㄧㄚ", "ㄧㄛ", "ㄧㄝ"),
    *("ㄧㄞ", "ㄧㄠ", "ㄧㄡ", "ㄧㄢ", "ㄧㄣ", "ㄧㄤ", "ㄧㄥ", "ㄨ", "ㄨㄚ", "ㄨㄛ", "ㄨㄞ", "ㄨㄟ", "ㄨㄢ", "ㄨㄣ"),
    *("ㄨㄤ", "ㄨㄥ", "ㄩ", "ㄩㄝ", "ㄩㄢ", "ㄩㄣ", "ㄩㄥ"),
)
TONES = (1, 2, 3, 4)
NEUTRAL_TONE = "1"  # the first tone has no digit
HELD_OUT = {"test": 240, "val": 120}  # syllables with tone; each with the clips of all speakers

RATE = 16_000  # Hz


@dataclass(frozen=True)
class Clip:
    """A recording of one syllable by one speaker."""

    path: Path  # <syllable with tone>/<speaker>.ogg
    syllable: str  # zhuyin without the tone
    initial: str  # one of INITIALS
    final: str  # one of FINALS
    tone: int  # one of TONES
    speaker: str

    def audio(self) -> np.ndarray:
        """Read the sound, float32 [samples] at 16 kHz, with its peak at 1."""
        import soundfile
        from scipy.signal import resample_poly

        samples, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        mono = resample_poly(samples.mean(axis=1), RATE, rate).astype(np.float32)
        return mono / np.abs(mono).max()


def obtained() -> list[Clip]:
    """Obtain all clips."""
    return clips(obtain(GCIN_VOICE) / GCIN_VOICE.data)


def clips(folder: Path) -> list[Clip]:
    """The clips in a folder of `<syllable with tone>/<speaker>.ogg`, by name, without the few in the neutral tone."""
    return [_clip(path) for path in sorted(folder.glob("*/*.ogg")) if not path.parent.name.endswith(NEUTRAL_TONE)]


def _clip(path: Path) -> Clip:
    name = path.parent.name
    syllable = name.rstrip("234")
    initial = syllable[0] if syllable[0] in INITIALS else ""
    return Clip(
        path, syllable, initial, syllable.removeprefix(initial), int(name[len(syllable) :] or 1), speaker=path.stem
    )


def split(found: Sequence[Clip], held_out: dict[str, int] = HELD_OUT) -> list[str]:
    """The part of each clip: all clips of a syllable with its tone lie in one part, the same for every seed."""
    names = sorted({clip.path.parent.name for clip in found})
    order = iter(np.random.default_rng(0).permutation(len(names)))
    part = {names[next(order)]: name for name, count in held_out.items() for _ in range(count)}
    return [part.get(clip.path.parent.name, "train") for clip in found]


def parted(arrays: dict[str, np.ndarray], part: Sequence[str]) -> dict[str, np.ndarray]:
    """Split arrays with a row per clip into `train_<name>`, `val_<name>` and `test_<name>`."""
    rows = {name: np.array(part) == name for name in ("train", "val", "test")}
    return {f"{name}_{kind}": array[chosen] for name, chosen in rows.items() for kind, array in arrays.items()}
