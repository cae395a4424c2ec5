"""Two public data sets of speech, with small files in their real formats: LibriSpeech and Speech Commands."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from breakeven.plugins.tasks.speech._log_mel import HIGHEST, LOWEST
from breakeven.plugins.tasks.speech.librispeech import LibriSpeech, corpus, utterances
from breakeven.plugins.tasks.speech.speech_commands import SpeechCommands, clips
from public_data import librispeech as librispeech_files
from public_data import speech_commands as commands_files

from breakeven.data import cache
from breakeven.errors import UserError

PARTS = ("train", "val", "test")
SMALL = {"train-clean-100": 8, "dev-clean": 4, "test-clean": 6}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a small LibriSpeech; the environment variable names its folder."""
    monkeypatch.setattr(librispeech_files, "PARTS", SMALL)
    path = librispeech_files.write(tmp_path / "LibriSpeech", SMALL)
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(corpus.VARIABLE, str(path))
    return path


def said(target: torch.Tensor) -> list[str]:
    return ["".join(corpus.SYMBOLS[i - 1] for i in row if i > 0) for row in target.tolist()]


def test_the_published_parts_are_taken_and_every_utterance_keeps_its_transcript(folder: Path) -> None:
    module = LibriSpeech().datamodule(seed=0)
    for part, name in corpus.PARTS.items():
        (sound, frames), target = getattr(module, part)
        assert len(sound) == len(frames) == len(target) == SMALL[name]
        assert sound.files == sorted((folder / name).glob("*/*/*.flac"))
        assert target.dtype == torch.int8 and target.shape[1] == module.test[1].shape[1]
        lines = [line for path in folder.glob(f"{name}/*/*/*.trans.txt") for line in path.read_text().splitlines()]
        transcripts = dict(line.split(" ", 1) for line in lines)
        assert said(target) == [transcripts[file.stem] for file in sound.files]
        samples = [soundfile.info(file).frames for file in sound.files]
        assert frames.tolist() == [-(-n // 160) for n in samples]


def test_a_letter_lights_up_the_band_of_its_pitch_while_it_is_said(folder: Path) -> None:
    (sound, _), target = LibriSpeech().datamodule(seed=0).test
    for i, text in enumerate(said(target)):
        x = sound[[i]][0, 0]
        for letter in set(text) - {" ", "'"}:
            there = torch.tensor([one == letter for one in text for _ in range(10)])  # ten frames per letter
            loud = x[band(400 + 300 * (ord(letter) - 65)), : len(there)]
            assert loud[there].mean() > loud[~there].mean() + 1 if not there.all() else loud.std() < 0.5


def band(hertz: float) -> int:
    mel = [2595 * np.log10(1 + f / 700) for f in (LOWEST, hertz, HIGHEST)]
    return round((mel[1] - mel[0]) / (mel[2] - mel[0]) * (utterances.BANDS + 1)) - 1


def test_utterances_are_standardised_and_zero_beyond_their_end(folder: Path) -> None:
    (sound, frames), _ = LibriSpeech().datamodule(seed=0).test
    x = sound[[2, 0]]
    assert x.dtype == torch.float32 and x.shape == (2, 1, utterances.BANDS, sound.frames)
    assert sound.frames % 4 == 0 and 0 <= sound.frames - int(frames.max()) < 4
    for row, n in zip(x, frames[[2, 0]], strict=True):
        assert (row[..., n:] == 0).all() and row[..., :n].mean(2).abs().max() < 1e-4
        assert torch.allclose(row[..., :n].std(2), torch.ones(utterances.BANDS), atol=1e-3)


def test_long_utterances_are_left_out_of_training_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = LibriSpeech().datamodule(seed=0)
    (sound, frames), target = before.train
    monkeypatch.setattr(utterances, "LONGEST", limit := int(frames.median()))
    after = LibriSpeech().datamodule(seed=0)
    kept = (frames <= limit).nonzero().flatten().tolist()
    assert 0 < len(kept) < len(frames)
    assert after.train[0][0].files == [sound.files[i] for i in kept]
    assert torch.equal(after.train[0][1], frames[kept]) and torch.equal(after.train[1], target[kept])
    assert [len(getattr(after, part)[1]) for part in ("val", "test")] == [4, 6]


def test_nothing_but_the_index_is_kept(folder: Path) -> None:
    LibriSpeech().prepare()
    (file,) = (cache() / "prepared").glob("*.safetensors")
    assert file.stat().st_size < sum(path.stat().st_size for path in folder.rglob("*.flac"))


def test_the_hash_covers_paths_sizes_and_transcripts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [LibriSpeech().prepare()]
    for i, change in enumerate([lambda _: None, grow, rename, reword]):
        copied = folder.parent / f"copy{i}"
        shutil.copytree(folder, copied)
        change(next(copied.glob("test-clean/*/*")))
        monkeypatch.setenv(corpus.VARIABLE, str(copied))
        hashes.append(LibriSpeech().prepare())
    assert hashes[0] == hashes[1] and len(set(hashes)) == 4


def grow(chapter: Path) -> None:
    sound = next(chapter.glob("*.flac"))
    sound.write_bytes(sound.read_bytes() + b"0")


def rename(chapter: Path) -> None:
    chapter.rename(chapter.with_name("1"))


def reword(chapter: Path) -> None:
    change_text(chapter, "A", "B")


def change_text(chapter: Path, old: str, new: str) -> None:
    (path,) = chapter.glob("*.trans.txt")
    path.write_text(path.read_text().replace(old, new))


def test_a_variable_that_is_not_set_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(corpus.VARIABLE, raising=False)
    with pytest.raises(UserError, match="BREAKEVEN_LIBRISPEECH is not set: set it to a folder that holds train-clean-"):
        LibriSpeech().prepare()


def spoil(chapter: Path, content: bytes) -> None:
    next(chapter.glob("*.flac")).write_bytes(content)


def resample(chapter: Path) -> None:
    soundfile.write(next(chapter.glob("*.flac")), np.zeros(800), 8000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda chapter: shutil.rmtree(chapter.parents[1]), "holds no 'dev-clean': set it to"),
        (lambda chapter: [shutil.rmtree(x) for x in chapter.parents[1].iterdir()], "dev-clean holds no <speaker>/"),
        (lambda chapter: next(chapter.glob("*.txt")).unlink(), r"holds no transcript of .*-0000\.flac: unpack"),
        (lambda chapter: change_text(chapter, "A", "É"), r"said in .*\.flac has other characters than A-Z"),
        (lambda chapter: spoil(chapter, b"fLaC and no more"), r"\.flac cannot be read \(.*\): unpack the archive"),
        (resample, r"\.flac has 1 channels at 8000 Hz, not one at 16000 Hz: unpack the archive"),
    ],
)
def test_another_folder_is_refused(folder: Path, change, message: str) -> None:
    change(next(folder.glob("dev-clean/*/*")))
    with pytest.raises(UserError, match=f"BREAKEVEN_LIBRISPEECH: .*{message}"):
        LibriSpeech().prepare()


def test_words_characters_and_sentences_are_scored(folder: Path) -> None:
    task, symbols = LibriSpeech(), corpus.SYMBOLS
    heard, right = "A CAB DAD", "A CAB DAD'S BE"
    classes = [symbols.index(x) + 1 for x in heard]
    outputs = torch.nn.functional.one_hot(torch.tensor([classes]), 1 + len(symbols)).float().log().clamp(min=-30)
    target = torch.tensor([[symbols.index(x) + 1 for x in right] + [-1, -1]], dtype=torch.int8)
    metrics = {"word_error_rate": task.metric()} | task.other_metrics()
    for metric in metrics.values():
        metric.update(outputs, target)
    found = {name: metric.compute().item() for name, metric in metrics.items()}
    expected = {"word_error_rate": 2 / 4, "character_error_rate": 5 / len(right), "sentence_error_rate": 1.0}
    assert found == pytest.approx(expected)


def test_a_transcript_s_length_does_not_wrap_around_in_eight_bits(folder: Path) -> None:
    task, torch_seed = LibriSpeech(width=1), torch.manual_seed(0)
    outputs = torch.randn(2, 300, 29, generator=torch_seed).log_softmax(2)  # longer than an int8 can count
    target = torch.randint(1, 29, (2, 140), generator=torch_seed, dtype=torch.int8)
    assert task.loss(outputs, target).item() == pytest.approx(task.loss(outputs, target.long()).item())
    assert task.loss(outputs, target) > 140


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small Speech Commands into the folder for users' downloads."""
    commands_files.supply(tmp_path, monkeypatch)
    return tmp_path / "downloads" / clips.ARCHIVE.name


def speakers(path: Path, name: str) -> list[str]:
    with tarfile.open(path) as file:
        return file.extractfile(f"./{name}").read().decode().split()


def test_the_published_lists_are_honoured_and_every_clip_keeps_its_word(archive: Path) -> None:
    parts, words = clips.build(), clips.WORDS[::4]
    with tarfile.open(archive) as file:
        names = [name.removeprefix("./") for name in file.getnames() if "nohash" in name]
    listed = {"val": speakers(archive, "validation_list.txt"), "test": speakers(archive, "testing_list.txt")}
    listed["train"] = sorted(set(names) - set(listed["val"]) - set(listed["test"]))
    pitch = {}
    for part in PARTS:
        x, labels = parts[f"{part}_features"], parts[f"{part}_labels"]
        assert x.dtype == np.float16 and x.shape == (len(listed[part]), 1, 40, clips.FRAMES)
        in_order = sorted(listed[part], key=lambda name: name.split("/")[::-1])
        assert [clips.WORDS[i] for i in labels] == [name.split("/")[0] for name in in_order]
        for row, label in zip(x, labels, strict=True):  # each word is a wave of its own pitch
            pitch.setdefault(clips.WORDS[label], set()).add(int(row[0, :, 10:40].mean(1).argmax()))
    assert pitch.keys() == set(words) and all(max(bands) - min(bands) <= 1 for bands in pitch.values())
    middle = [min(pitch[word]) for word in words]
    assert middle == sorted(middle) and len(set(middle)) > len(words) / 2


def test_background_noise_is_left_out_and_features_are_standardised(archive: Path) -> None:
    parts = clips.build()
    assert sum(len(parts[f"{part}_labels"]) for part in PARTS) == 9 * sum(commands_files.SPEAKERS.values())
    x = parts["train_features"].astype(np.float64)
    assert np.abs(x.mean((0, 1, 3))).max() < 0.01 and np.abs(x.std((0, 1, 3)) - 1).max() < 0.01


def test_the_model_gets_single_precision(archive: Path) -> None:
    task = SpeechCommands(width=1)
    (x,), _ = next(iter(task.datamodule(seed=0).test_dataloader()))
    assert x.dtype == torch.float32 and torch.equal(x[:3], task.example_inputs(3)[0])


def test_nothing_is_extracted(archive: Path) -> None:
    SpeechCommands().prepare()
    assert not list(cache().rglob("*.wav"))


def test_a_damaged_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"speech_commands_v0\.02\.tar\.gz has another checksum than sha256:.*anew"):
        SpeechCommands().prepare()


@pytest.mark.parametrize(
    ("left_out", "added", "message"),
    [
        ("testing_list.txt", {}, "lacks its clips, or validation_list.txt or testing_list.txt: get it anew"),
        ("nohash", {}, "lacks its clips"),
        ("", {"go/bad_nohash_0.wav": b"RIFF"}, r"go/bad_nohash_0\.wav in .* cannot be read \("),
        ("", {"go/slow_nohash_0.wav": commands_files.wav(np.zeros(80), 8000)}, "is not one channel at 16000 Hz"),
        ("", {"go/two_nohash_0.wav": commands_files.wav(np.zeros((80, 2)))}, "is not one channel at 16000 Hz"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, left_out, added, message: str) -> None:
    whole = commands_files.write(tmp_path / "whole.tar.gz", ("go",), dict.fromkeys(commands_files.SPEAKERS, 1))
    with tarfile.open(whole) as source:
        files = {m.name: source.extractfile(m).read() for m in source if not left_out or left_out not in m.name}
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as target:
        for name, content in (files | added).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    with pytest.raises(UserError, match=message):
        clips.features(tmp_path / "other.tar.gz")


def test_a_silent_clip_is_no_trouble() -> None:
    x = clips._waveform("go/x.wav", commands_files.wav(np.zeros(12_000)))
    assert x.isfinite().all() and (x == 0).all()
