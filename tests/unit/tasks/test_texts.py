"""Tasks on texts: their shared networks and tokens, and two data sets of the hub with small files in their format."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from breakeven.plugins.tasks.nlp import _encoders, _hub, _subwords
from breakeven.plugins.tasks.nlp.ag_news import AGNews
from breakeven.plugins.tasks.nlp.ag_news import corpus as ag_news
from breakeven.plugins.tasks.nlp.sst2 import SST2
from breakeven.plugins.tasks.nlp.sst2 import corpus as sst2
from public_data import ag_news as ag_news_files
from public_data import sst2 as sst2_files
from pyarrow import parquet
from tokenizers import Tokenizer

from breakeven.data import Unavailable
from breakeven.errors import UserError

PARTS = ("train", "val", "test")
PHRASES = {"train": [("a witty film", 1), ("a dull film", 0)], "test": [("a witty zebra", 1), (" \t", 0)]}


@pytest.mark.parametrize("kind", ["gru", "lstm", "transformer"])
def test_padding_changes_no_class(kind: str) -> None:
    torch.manual_seed(0)
    model = getattr(_encoders, kind)(classes=3).eval()
    ids = torch.randint(2, 100, (3, 10))
    ids[0, 4:] = 0
    with torch.inference_mode():
        together = model(ids)
        assert together.shape == (3, 3)
        torch.testing.assert_close(model(ids[:1, :4]), together[:1])
        torch.testing.assert_close(model(torch.nn.functional.pad(ids, (0, 22))), together)
        assert not torch.allclose(model(ids.flip(1)), together)


def test_texts_are_cut_and_padded_and_read_by_a_vocabulary_of_the_training_texts() -> None:
    arrays = _subwords.encode(PHRASES, length=12)
    tokenizer = Tokenizer.from_str(arrays["tokenizer"].tobytes().decode())
    ids = arrays["train_ids"]
    assert ids.shape == (2, 12) and ids.dtype == np.int64
    assert tokenizer.decode(ids[1].tolist()).replace(" ", "") == "adullfilm"  # without the padding
    cut = _subwords.encode(PHRASES, length=3)
    assert np.array_equal(cut["train_ids"], ids[:, :3])
    assert arrays["train_target"].tolist() == [1, 0] and arrays["test_target"].tolist() == [1, 0]
    assert tokenizer.token_to_id("z") is None  # in no training text
    assert tokenizer.token_to_id(_subwords.UNKNOWN) in arrays["test_ids"][0]


def test_a_text_of_blanks_has_a_token() -> None:
    ids = torch.from_numpy(_subwords.encode(PHRASES, length=5)["test_ids"])
    assert SST2().length_of(ids).tolist() == [5, 1]
    with torch.inference_mode():
        assert _encoders.gru(classes=2).eval()(ids).isfinite().all()


def test_many_texts_are_encoded_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {"train": list(zip(*sst2_files.made_up(sst2_files.WORDS, 50, seed=0), strict=True))}
    at_once = _subwords.encode(splits, length=20)
    monkeypatch.setattr(_subwords, "CHUNK", 7)
    for name, array in _subwords.encode(splits, length=20).items():
        assert np.array_equal(array, at_once[name])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a small SST-2 and a small AG News, each in the folder that its variable names, with an empty cache."""
    sst2_files.supply(tmp_path, monkeypatch)
    ag_news_files.supply(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("corpus", "name", "column", "tested"),
    [(sst2, "sst2", "sentence", "validation"), (ag_news, "ag_news", "text", "test")],
)
def test_the_published_parts_are_kept_and_validation_is_split_off(
    folder: Path, corpus, name: str, column: str, tested: str
) -> None:
    published = {
        part: parquet.read_table(folder / name / "data" / f"{part}-00000-of-00001.parquet").to_pydict()
        for part in ("train", tested)
    }
    pairs = {part: list(zip(table[column], table["label"], strict=True)) for part, table in published.items()}
    parts = corpus.TEXTS.parts()
    assert parts["test"] == pairs[tested]  # in the same order
    assert Counter(parts["train"] + parts["val"]) == Counter(pairs["train"])
    assert {text for text, _ in parts["train"]}.isdisjoint(text for text, _ in parts["val"])
    assert len(parts["val"]) == pytest.approx(len(pairs["train"]) / 20, rel=0.3)
    assert set(published["train"]["label"]) == set(range(corpus.TEXTS.classes))


def test_duplicates_stay_together() -> None:
    texts = [f"phrase {i}" for i in range(2000)]
    held_out = [text for text in texts if _hub.held_out(text)]
    assert len(held_out) == pytest.approx(100, abs=30)
    assert all(_hub.held_out(f" {text.upper()} ") for text in held_out)


@pytest.mark.parametrize(("task", "classes", "longest"), [(SST2(), 2, 64), (AGNews(), 4, 128)])
def test_a_task_is_prepared_from_its_folder(folder: Path, task, classes: int, longest: int) -> None:
    (ids,) = task.example_inputs(9)
    assert ids.shape == (9, longest) and ids.dtype == torch.int64
    ((batch,), target) = next(iter(task.datamodule(seed=0).train_dataloader()))
    assert batch.shape[1] == -(-task.length_of(batch).max().item() // 8) * 8 < longest
    assert set(target.tolist()) == set(range(classes))
    assert task.model()(batch).shape == (len(batch), classes)
    assert task.other_metrics()["macro_f1"].num_classes == classes


def test_nothing_is_left_in_the_library_s_own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "library")
    SST2().prepare()
    assert not (folder / "library").exists()


def change(path: Path, **columns) -> None:
    table = parquet.read_table(path).to_pydict() | columns
    parquet.write_table(pa.table({name: column for name, column in table.items() if column is not None}), path)


def other_labels(path: Path, label: int | None) -> None:
    n = parquet.read_metadata(path).num_rows
    change(path, label=[1] * (n - 1) + [label])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "holds no 'data/validation-00000-of-00001.parquet': set it to a folder with"),
        (lambda path: shutil.rmtree(path.parents[1]), "holds no 'data/train"),
        (lambda path: path.write_bytes(b"\x80\x04."), r"could not be had \(.+\): set BREAKEVEN_SST2 to a folder"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), r"could not be had \(.+\): set BREAKEVEN_SST2 to"),
        (
            lambda path: change(path, sentence=None),
            "has no complete column 'sentence': set BREAKEVEN_SST2 to a folder with",
        ),
        (lambda path: change(path, label=None), "has no complete column 'label'"),
        (lambda path: shutil.copy(path.with_name("test-00000-of-00001.parquet"), path), "has the label -1, not 0 to 1"),
        (lambda path: other_labels(path, 2), "has the label 2, not 0 to 1"),
        (lambda path: other_labels(path, None), "has no complete column 'label'"),
        (lambda path: parquet.write_table(parquet.read_table(path)[:0], path), r"could not be had \(.+\): set"),
    ],
)
def test_other_files_are_refused(folder: Path, spoil, message: str) -> None:
    spoil(folder / "sst2" / "data" / "validation-00000-of-00001.parquet")
    with pytest.raises(UserError, match=message) as caught:
        SST2().prepare()
    assert str(folder / "sst2") in str(caught.value) and sst2.TEXTS.revision in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_folder_the_pinned_files_are_asked_of_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []
    load = datasets.load_dataset

    def from_hub(kind: str, data_files: list[str], **options):
        asked.extend(data_files)
        repository = f"hf://datasets/fancyzhx/ag_news@{ag_news.TEXTS.revision}"
        return load(kind, data_files=[data_files[0].replace(repository, str(folder / "ag_news"))], **options)

    named = AGNews().prepare()
    monkeypatch.delenv("BREAKEVEN_AG_NEWS")
    monkeypatch.setenv("BREAKEVEN_CACHE", str(folder / "other"))
    monkeypatch.setattr(datasets, "load_dataset", from_hub)
    assert AGNews().prepare() == named
    files = ("test-00000-of-00001.parquet", "train-00000-of-00001.parquet")
    assert asked == [f"hf://datasets/fancyzhx/ag_news@eb185aade064a813bc0b7f42de02595523103ca4/data/{x}" for x in files]


@pytest.mark.parametrize(("task", "variable"), [(SST2(), "BREAKEVEN_SST2"), (AGNews(), "BREAKEVEN_AG_NEWS")])
def test_without_the_hub_it_says_what_helps(folder: Path, monkeypatch: pytest.MonkeyPatch, task, variable: str) -> None:
    monkeypatch.delenv(variable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    remedies = rf"access to huggingface\.co, or set {variable} to a folder with data/train.*, or set BREAKEVEN_CACHE"
    with pytest.raises(Unavailable, match=rf"could not be had \(.*HF_HUB_OFFLINE.*\): give this machine {remedies}"):
        task.prepare()


def test_without_the_library_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="the package datasets is not installed: run 'pip install datasets'"):
        SST2().prepare()
