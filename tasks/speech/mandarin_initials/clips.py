"""Spoken Mandarin syllables: where the clips come from, their labels and split, and the log-mel front end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly
from torch import Tensor
from torch.nn.functional import pad

from breakeven.data import Debian, obtain

PACKAGE = Debian(
    name="gcin-voice",
    version="0~20170223-3",
    sha256="6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70",
    filename="gcin-voice_0~20170223-3_all.deb",
    data="usr/share/gcin-voice/ogg",
    data_sha256="09c83b6805eb735ce4fb7281cea22ddc92848fdcd69864ae44cbc50abf227345",
)
INITIALS = "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒㄓㄔㄕㄖㄗㄘㄙ"  # class 0: a syllable without any
NEUTRAL_TONE = "1"  # the first tone has no digit
HELD_OUT = {"test": 240, "val": 120}  # syllables, with every speaker's clip of each

RATE = 16_000  # Hz
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms every 10 ms
BANDS, FRAMES = 40, 48  # .48 s: the initial comes first; half of the clips end within .33 s
LOWEST, HIGHEST = 60.0, 7_800.0  # Hz, edges of the mel filters
FLOOR = 1e-4  # added to the energies, far below speech that peaks at 1


def build() -> dict[str, np.ndarray]:
    """Features float32 [n, 1, BANDS, FRAMES], standardised by band, and labels int64 [n] of each part."""
    return features(obtain(PACKAGE) / PACKAGE.data)


def features(folder: Path, held_out: dict[str, int] = HELD_OUT) -> dict[str, np.ndarray]:
    """The parts, from a folder of `<syllable>/<speaker>.ogg`."""
    paths = [p for p in sorted(folder.glob("*/*.ogg")) if not p.parent.name.endswith(NEUTRAL_TONE)]
    part = split([path.parent.name for path in paths], held_out)
    spectra = log_mel(torch.stack([waveform(path) for path in paths]))
    in_training = torch.tensor([name == "train" for name in part])
    std, mean = torch.std_mean(spectra[in_training], dim=(0, 2), keepdim=True)
    x = ((spectra - mean) / std).unsqueeze(1).numpy()
    y = np.array([initial(path.parent.name) for path in paths])
    chosen = {name: np.array(part) == name for name in ("train", "val", "test")}
    return {f"{name}_{kind}": a[rows] for name, rows in chosen.items() for kind, a in (("features", x), ("labels", y))}


def initial(syllable: str) -> int:
    """The class of a syllable in zhuyin with its tone digit, such as `ㄅㄚ2`."""
    return INITIALS.find(syllable[0]) + 1


def split(syllables: list[str], held_out: dict[str, int]) -> list[str]:
    """The part of each clip: all clips of a syllable lie in one, the same for every seed."""
    names = sorted(set(syllables))
    order = iter(np.random.default_rng(0).permutation(len(names)))
    part = {names[next(order)]: name for name, count in held_out.items() for _ in range(count)}
    return [part.get(syllable, "train") for syllable in syllables]


def waveform(path: Path) -> Tensor:
    """A clip at 16 kHz that peaks at 1, cut or padded with silence to what FRAMES frames take."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = torch.from_numpy(resample_poly(samples.mean(axis=1), RATE, rate).astype(np.float32))
    length = (FRAMES - 1) * HOP + FFT
    mono = mono[:length] / mono.abs().max()
    return pad(mono, (0, length - len(mono)))


def log_mel(waveforms: Tensor) -> Tensor:
    """Log energies in mel bands: [n, samples] at 16 kHz to [n, BANDS, frames]."""
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(waveforms, FFT, HOP, WINDOW, window, center=False, return_complex=True)
    return torch.log(mel_filters() @ spectrum.abs().square() + FLOOR)


def mel_filters() -> Tensor:
    """Triangles [BANDS, FFT / 2 + 1], equally wide in mel = 2595 log10(1 + Hz / 700) (O'Shaughnessy, 1987)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (torch.linspace(low, high, BANDS + 2) / 2595) - 1)
    left, centre, right = (edges[i : i + BANDS, None] for i in range(3))
    hz = torch.linspace(0, RATE / 2, FFT // 2 + 1)
    return torch.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)).clamp(min=0)


def augment(x: Tensor) -> tuple[Tensor]:
    """Shift each clip by up to 40 ms, then hide up to 7 bands and 7 frames (SpecAugment: Park et al., 2019)."""
    n, _, bands, frames = x.shape
    shift = torch.randint(-4, 5, (n, 1))
    source = (torch.arange(frames) - shift).clamp(0, frames - 1)
    x = x.gather(3, source[:, None, None, :].expand_as(x))
    return (x.masked_fill(_spans(n, bands)[:, None, :, None] | _spans(n, frames)[:, None, None, :], 0),)


def _spans(n: int, length: int, longest: int = 7) -> Tensor:
    """True in one random span of each of n rows."""
    start, width = torch.randint(0, length, (n, 1)), torch.randint(0, longest + 1, (n, 1))
    place = torch.arange(length)
    return (place >= start) & (place < start + width)
