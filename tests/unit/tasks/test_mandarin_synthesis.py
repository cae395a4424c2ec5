"""The synthesis: its data from clips, its metric, and audible output."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from breakeven.plugins.tasks.speech import _spectra as spectra
from breakeven.plugins.tasks.speech import _syllables as syllables
from breakeven.plugins.tasks.speech._log_mel import HIGHEST, LOWEST
from breakeven.plugins.tasks.speech.mandarin_synthesis import MandarinSynthesis, clips, listen
from breakeven.plugins.tasks.speech.mandarin_synthesis.network import IDS, Decoder, Recogniser
from breakeven.plugins.tasks.speech.mandarin_synthesis.recogniser import Recognised
from breakeven.plugins.tasks.speech.mandarin_vocoder import waveforms

from breakeven.errors import UserError


def write_clip(path: Path, hertz: float, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(44_100 * seconds)) / 44_100
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), 44_100, format="OGG", subtype="VORBIS")


@pytest.fixture
def found(tmp_path: Path) -> list[syllables.Clip]:
    for i, name in enumerate(["ㄅㄚ", "ㄅㄚ2", "ㄇㄛ3", "ㄧㄠ4", "ㄙ", "ㄇㄚ1"]):  # the last has the neutral tone
        for speaker in "35":
            write_clip(tmp_path / name / f"{speaker}.ogg", 300 * (i + 1), 0.2 + 0.02 * i)
    return syllables.clips(tmp_path)


def test_ids_go_with_their_spectra(found: list[syllables.Clip]) -> None:
    parts = clips.arrays(found, {"test": 2, "val": 1})
    assert {name: array.shape for name, array in parts.items()} == {
        "train_ids": (4, 4),
        "val_ids": (2, 4),
        "test_ids": (4, 4),
        "train_target": (4, spectra.BANDS + 1, spectra.FRAMES),
        "val_target": (2, spectra.BANDS + 1, spectra.FRAMES),
        "test_target": (4, spectra.BANDS + 1, spectra.FRAMES),
    }
    names = {(1, 1, 0): 300, (1, 1, 1): 600, (3, 2, 2): 900, (0, 19, 3): 1200, (21, 0, 0): 1500}
    heard = set()
    for part in ("train", "val", "test"):
        for ids, target in zip(parts[f"{part}_ids"], parts[f"{part}_target"], strict=True):
            assert (target[-1, :4] == ids).all() and (target[-1, 4:] == 0).all()
            hertz = names[tuple(ids[:3].tolist())]
            mel = [2595 * np.log10(1 + f / 700) for f in (LOWEST, hertz, HIGHEST)]
            band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * (spectra.BANDS + 1) - 1
            assert abs(target[:-1, 5:15].mean(1).argmax() - band) <= 1
            heard.add((hertz, int(ids[3])))
    assert len(heard) == 10


def test_parts_share_no_syllable_with_its_tone(found: list[syllables.Clip]) -> None:
    parts = clips.arrays(found, {"test": 2, "val": 1})
    said = [{tuple(row[:3].tolist()) for row in parts[f"{part}_ids"]} for part in ("train", "val", "test")]
    assert not said[0] & said[1] and not said[0] & said[2] and not said[1] & said[2]
    assert all((parts[f"{part}_ids"][:, 3].reshape(-1, 2) == [0, 1]).all() for part in ("train", "val", "test"))


def test_the_vocoder_gets_the_same_clips(found: list[syllables.Clip]) -> None:
    held_out = {"test": 2, "val": 1}
    sounds, parts = waveforms.arrays(found, held_out), clips.arrays(found, held_out)
    for part in ("train", "val", "test"):
        (again,) = waveforms.spectra(torch.from_numpy(sounds[part]))
        assert torch.allclose(again, torch.from_numpy(parts[f"{part}_target"])[:, :-1], atol=1e-3)
        assert np.abs(sounds[part]).max(1) == pytest.approx(1) and (sounds[part][:, 6000:] == 0).all()


@pytest.mark.parametrize(
    ("text", "ids"),
    [("ㄏㄠ3", ["ㄏ", "ㄠ", 3]), ("ㄇㄚ", ["ㄇ", "ㄚ", 1]), ("ㄧㄠ4", ["", "ㄧㄠ", 4]), ("ㄓ", ["ㄓ", "", 1])],
)
def test_zhuyin_is_read(text: str, ids: list) -> None:
    assert clips.ids_of_text(text, "5") == clips.ids_of(*ids, "5")


@pytest.mark.parametrize(("text", "speaker"), [("hao3", "3"), ("ㄏㄠ3", "4"), ("3", "3"), ("ㄏㄏ", "5")])
def test_what_nobody_says_is_refused(text: str, speaker: str) -> None:
    with pytest.raises(UserError, match="give zhuyin such as"):
        clips.ids_of_text(text, speaker)


def target_of(drawn: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    last = torch.nn.functional.pad(ids, (0, spectra.FRAMES - 4)).unsqueeze(1)
    return torch.cat([drawn, last.float()], dim=1)


def test_the_distance_is_in_decibels_and_leaves_the_ids_out() -> None:
    task, ids = MandarinSynthesis(), torch.tensor([[21, 38, 3, 1], [0, 0, 0, 0]])
    drawn = torch.randn(2, spectra.BANDS, spectra.FRAMES)
    metric = task.metric()
    metric.update(drawn, target_of(drawn, ids))
    assert metric.compute() == 0 and task.loss(drawn, target_of(drawn, ids)) == 0
    metric = task.metric()
    metric.update(drawn + 3, target_of(drawn, ids))
    assert metric.compute().item() == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize("heard", [0, 1, 2])
def test_the_recogniser_counts_what_it_hears(heard: int) -> None:
    weights = Recogniser().state_dict()
    *_, weight, bias = weights
    weights[weight].zero_()
    weights[bias].copy_(torch.arange(sum(IDS[:3])))  # its answer is always the last class of each kind
    metric, drawn = Recognised(weights, heard), torch.randn(4, spectra.BANDS, spectra.FRAMES)
    ids = torch.tensor([[21, 38, 3, 1]] * 3 + [[0, 0, 0, 0]])
    metric.update(drawn, target_of(drawn, ids))
    assert metric.compute().item() == 0.75
    assert not any(p.requires_grad for p in metric.parameters())


def test_every_id_has_a_place_of_its_own() -> None:
    model = Decoder(8).eval()
    lowest, highest = torch.zeros(1, 4, dtype=torch.int64), torch.tensor([[n - 1 for n in IDS]])
    places = torch.cat([lowest, highest]) + model.first
    assert sorted(places.flatten().tolist()) == sorted({*places.flatten().tolist()})
    assert places.min() == 0 and places.max() == model.embedding.num_embeddings - 1


def left_by_a_training(folder: Path) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    path = folder / "model.pt"
    torch.save(Decoder(8).eval(), path)
    record = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (folder / "artifact.json").write_text(json.dumps(record))
    return path


def test_a_model_is_heard(tmp_path: Path) -> None:
    model, out = left_by_a_training(tmp_path / "trained"), tmp_path / "hello.wav"
    listen.listen(model, out, say="ㄋㄧ3 ㄏㄠ3", speaker="3", vocoder=None)
    sound, rate = soundfile.read(out)
    assert rate == syllables.RATE and len(sound) == 2 * spectra.SAMPLES
    assert np.abs(sound).max() == pytest.approx(listen.PEAK, abs=0.01)
    with pytest.raises(UserError, match="no such folder"):
        listen.write(torch.ones(10), tmp_path / "nowhere" / "hello.wav")
    assert [path.name for path in tmp_path.iterdir() if path != model.parent] == ["hello.wav"]


def test_a_file_that_no_training_left_is_not_read(tmp_path: Path) -> None:
    model = left_by_a_training(tmp_path / "trained")
    model.write_bytes(model.read_bytes() + b"!")
    with pytest.raises(UserError, match="not the file that"):
        listen.trusted(model)
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(UserError, match="no model with its artifact"):
        listen.trusted(tmp_path / "model.pt")
