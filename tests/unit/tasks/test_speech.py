"""Clips of syllables and digits: reading of small files in the real format, and scoring of phones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from breakeven.plugins.tasks.speech import _ctc_scores as scores
from breakeven.plugins.tasks.speech import _log_mel as front
from breakeven.plugins.tasks.speech import _syllables as syllables
from breakeven.plugins.tasks.speech.mandarin_initials import clips as initials
from breakeven.plugins.tasks.speech.mandarin_syllables import MandarinSyllables
from breakeven.plugins.tasks.speech.mandarin_syllables import clips as phones
from breakeven.plugins.tasks.speech.mandarin_tones import clips as tones
from breakeven.plugins.tasks.speech.spoken_digits import clips as digits
from torch import Tensor

from breakeven.components.lengths import trimmed
from breakeven.errors import UserError

SYLLABLES = ["ㄅㄚ", "ㄅㄚ2", "ㄆㄛ", "ㄇㄚ3", "ㄚ4", "ㄙ"]
HELD_OUT = {"test": 2, "val": 1}


def write_clip(path: Path, hertz: float, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(44_100 * seconds)) / 44_100
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), 44_100, format="OGG", subtype="VORBIS")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make every syllable by both speakers, each a wave of its own pitch and length, the last in the neutral tone."""
    for i, syllable in enumerate([*SYLLABLES, "ㄇㄚ1"]):
        for speaker in "35":
            write_clip(tmp_path / syllable / f"{speaker}.ogg", 200 * (i + 1), 0.2 + 0.05 * i)
    return tmp_path


def test_a_clip_knows_what_is_said_in_which_tone_by_whom(folder: Path) -> None:
    found = syllables.clips(folder)
    assert len(found) == 12, "the neutral tone is left out"
    said = {(c.path.parent.name, c.syllable, c.initial, c.final, c.tone) for c in found}
    assert said == {
        ("ㄅㄚ", "ㄅㄚ", "ㄅ", "ㄚ", 1),
        ("ㄅㄚ2", "ㄅㄚ", "ㄅ", "ㄚ", 2),
        ("ㄆㄛ", "ㄆㄛ", "ㄆ", "ㄛ", 1),
        ("ㄇㄚ3", "ㄇㄚ", "ㄇ", "ㄚ", 3),
        ("ㄚ4", "ㄚ", "", "ㄚ", 4),
        ("ㄙ", "ㄙ", "ㄙ", "", 1),
    }
    assert [c.speaker for c in found] == list("35") * 6
    audio = found[0].audio()
    assert audio.dtype == np.float32 and np.abs(audio).max() == 1
    assert len(audio) == pytest.approx(0.2 * syllables.RATE, abs=10)


def test_a_syllable_with_its_tone_lies_in_one_part(folder: Path) -> None:
    found = syllables.clips(folder)
    part = syllables.split(found, HELD_OUT)
    assert [part.count(name) for name in ("test", "val", "train")] == [4, 2, 6]
    assert all(part[i] == part[i + 1] for i in range(0, len(part), 2)), "both speakers lie in one part"


@pytest.mark.parametrize(("task", "of"), [(initials, "initial"), (tones, "tone"), (phones, "target")])
def test_every_clip_keeps_its_label(folder: Path, task, of: str) -> None:
    parts, found = task.features(folder, HELD_OUT), syllables.clips(folder)
    labels = {
        "initial": [syllables.INITIALS.index(c.initial) for c in found],
        "tone": [c.tone - 1 for c in found],
        "target": [phones.phones(c) for c in found],
    }[of]
    part = syllables.split(found, HELD_OUT)
    for name, count in (("train", 6), ("val", 2), ("test", 4)):
        x = parts[f"{name}_features"]
        assert x.shape[:2] == (count, 1) and x.shape[3] == task.FRAMES and x.dtype == np.float32
        kept = parts.get(f"{name}_labels", parts.get(f"{name}_target"))
        assert kept.dtype == np.int64
        assert kept.tolist() == [label for label, where in zip(labels, part, strict=True) if where == name]


def test_features_are_standardised_on_the_training_clips(folder: Path) -> None:
    x = initials.features(folder, HELD_OUT)["train_features"]
    assert np.allclose(x.mean((0, 1, 3)), 0, atol=1e-3)
    assert np.allclose(x.std((0, 1, 3)), 1, atol=1e-2)


def test_phones_are_those_that_zhuyin_writes(folder: Path) -> None:
    names = [[phones.PHONES[i - 1] for i in phones.phones(c) if i > 0] for c in syllables.clips(folder)[::2]]
    assert names == [
        ["ㄅ", "ㄚ", "1"],
        ["ㄅ", "ㄚ", "2"],
        ["ㄆ", "ㄛ", "1"],
        ["ㄇ", "ㄚ", "3"],
        ["ㄙ", "1"],
        ["ㄚ", "4"],
    ]
    assert len(phones.PHONES) == len(set(phones.PHONES)) == 21 + 38 + 4


def test_frames_end_with_the_clip(folder: Path) -> None:
    parts = phones.features(folder, HELD_OUT)
    lengths = np.concatenate([parts[f"{name}_lengths"] for name in ("train", "val", "test")])
    assert sorted(lengths)[::2] == [pytest.approx(20 + 5 * i, abs=1) for i in range(6)]
    for x, length in zip(parts["train_features"], parts["train_lengths"], strict=True):
        assert (x[..., length:] == 0).all() and (x[..., :length] != 0).any(axis=(0, 1)).all()


@pytest.mark.parametrize("hertz", [250.0, 1000.0, 4000.0])
def test_a_wave_lights_up_the_band_of_its_pitch(tmp_path: Path, hertz: float) -> None:
    audio = torch.sin(2 * torch.pi * hertz * torch.arange(8000) / syllables.RATE)
    band = front.log_mel(audio[None])[0].mean(1).argmax().item()
    mel = [2595 * np.log10(1 + f / 700) for f in (front.LOWEST, hertz, front.HIGHEST)]
    assert abs(band + 1 - (mel[1] - mel[0]) / (mel[2] - mel[0]) * (front.BANDS + 1)) <= 1


def test_tones_are_seen_in_bands_that_tell_a_pitch_from_one_a_tenth_higher() -> None:
    def band(hertz: float) -> int:
        audio = torch.sin(2 * torch.pi * hertz * torch.arange(8000) / syllables.RATE)
        return (
            front.log_mel(audio[None], tones.BANDS, tones.WINDOW, tones.FFT, tones.HIGHEST)[0].mean(1).argmax().item()
        )

    assert band(220) > band(200) > band(180)


def test_short_clips_are_padded_with_silence_and_long_ones_cut() -> None:
    audio = np.ones(100, np.float32)
    assert front.padded(audio, 150).tolist() == [1.0] * 100 + [0.0] * 50
    assert front.padded(audio, 150, before=20).tolist() == [0.0] * 20 + [1.0] * 100 + [0.0] * 30
    assert front.padded(audio, 60, before=20).tolist() == [0.0] * 20 + [1.0] * 40


def test_augmentation_hides_only_short_spans_and_keeps_the_input() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 1, front.BANDS, initials.FRAMES)
    (hidden,) = initials.augment(x)
    assert (x == 1).all() and set(hidden.unique().tolist()) == {0.0, 1.0}
    rows, columns = ((hidden == 0).all(d).sum((1, 2)) for d in (3, 2))
    assert rows.max() == 7 and columns.max() == 7 and rows.min() == 0


def outputs_of(classes: list[int], number: int = 64) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([classes]), number).float().log().clamp(min=-30)


@pytest.mark.parametrize(
    ("read", "wrong"),
    [([0, 5, 5, 0, 30, 61], 0), ([5, 0, 5, 30, 61, 0], 1), ([5, 30, 0, 0, 0, 0], 1), ([0, 6, 31, 62, 0, 0], 3)],
)
def test_phones_are_merged_and_compared(read: list[int], wrong: int) -> None:
    task, target = MandarinSyllables(), torch.tensor([[5, 30, 61]])
    rate, share = task.metric(), task.other_metrics()["syllable_error_rate"]
    for metric in (rate, share):
        metric.update(outputs_of(read), target)
    assert rate.compute().item() == pytest.approx(wrong / 3) and share.compute().item() == (wrong > 0)


def test_phone_errors_are_counted_over_all_clips() -> None:
    metric = MandarinSyllables().metric()
    metric.update(outputs_of([5, 30, 61]), torch.tensor([[5, 30, 61]]))
    metric.update(outputs_of([5, 61, 0]), torch.tensor([[30, 61, phones.PADDING]]))
    assert metric.compute().item() == pytest.approx(1 / 5)


def test_the_loss_is_least_where_the_phones_are_read() -> None:
    task, target = MandarinSyllables(), torch.tensor([[5, 30, 61], [30, 61, phones.PADDING]])
    right = torch.cat([outputs_of([5, 0, 30, 61, 0]), outputs_of([30, 61, 0, 0, 0])])
    wrong = torch.cat([outputs_of([6, 0, 30, 61, 0]), outputs_of([30, 61, 0, 0, 0])])
    assert task.loss(right, target) < 1e-3 and 10 < task.loss(wrong, target) < math.inf


def test_repeats_are_merged_but_for_those_with_a_blank_between() -> None:
    heard, symbols = outputs_of([1, 1, 0, 2, 2, 0, 2, 3], number=4), ("a", "b", " ")
    assert scores.decoded(heard, symbols) == ["abb "]
    assert scores.wanted(torch.tensor([[1, 2, 2, 3, -1]]), symbols) == ["abb "]


@pytest.mark.parametrize("network", ["conv_gru", "conv"])
def test_padding_changes_nothing(network: str) -> None:
    torch.manual_seed(0)
    task, lengths = MandarinSyllables(network=network), torch.tensor([33, 20])
    x = torch.randn(2, 1, phones.BANDS, phones.FRAMES)
    model = task.model().train()
    model(x, lengths)  # makes the running means nonzero
    with torch.inference_mode():
        whole = model.eval()(x, lengths)
        short = model(*trimmed(task, x, lengths))
        other = model(x + 7 * (torch.arange(phones.FRAMES) >= lengths[:, None, None, None]), lengths)
    assert short.shape[1] == 18 and torch.allclose(whole[:, :18], short, atol=1e-5) and torch.equal(whole, other)
    assert (whole[1, 10:].argmax(1) == 0).all() and (whole[1, 10:, 0] == 0).all()
    target = torch.tensor([[1, 40, 62], [40, 61, phones.PADDING]])
    assert task.loss(whole, target).item() == pytest.approx(task.loss(short, target).item(), rel=1e-5)


def test_a_family_of_voices_lies_in_one_part() -> None:
    utterances = digits.listed(["Mike", "mike2", "f1", "f2", "adam", "steph", "steph3", "zac"])
    assert len(utterances) == 8 * len(digits.ACCENTS) * len(digits.SPEEDS) * 10
    part = digits.split(utterances, {"test": 2, "val": 1})
    where: dict[str, set[str]] = {}
    for (voice, _, _), name in zip(utterances, part, strict=True):
        where.setdefault(digits.family(voice), set()).add(name)
    assert where.keys() == {"mike", "f", "adam", "steph", "zac"} and all(len(names) == 1 for names in where.values())
    assert sorted(name for names in where.values() for name in names) == ["test", "test", "train", "train", "val"]


def test_noise_is_so_many_decibels_softer_than_the_word() -> None:
    random = np.random.default_rng(0)
    word, noise = random.standard_normal(8000), random.standard_normal(20_000, dtype=np.float32)
    heard = digits.noisy(word.astype(np.float32), noise, onset=2000)
    assert heard.dtype == np.float32 and heard.shape == noise.shape
    said = np.zeros(len(noise), bool)
    said[2000:10_000] = True
    ratio = np.square(heard[said]).mean() / np.square(heard[~said]).mean() - 1
    assert 10 * np.log10(ratio) == pytest.approx(digits.NOISE, abs=0.3)


def test_a_synthesiser_that_fails_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"eSpeak NG failed \(.*libespeak-ng.so.*copy the cache"):
        digits.spoken([("en-us+f1", 150, "one")], tmp_path)
