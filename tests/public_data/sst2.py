"""SST-2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

TEXT = "sst2-network=transformer"  # package_sections has the GRU, whose exports take longer
WORDS = [["dull", "bland", "awful", "lifeless"], ["moving", "witty", "superb", "charming"]]  # by class
OTHERS = ["the", "a", "film", "story", "is", "with", "and", "of", "this", ",", ".", "scene", "plot", "script", "it"]


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The folder, named; and a cache."""
    patch.setenv("BREAKEVEN_CACHE", str(folder / "cache"))
    patch.setenv("BREAKEVEN_SST2", str(write(folder / "sst2")))


def write(folder: Path, train: int = 2000, test: int = 128) -> Path:
    """The three files of the hub's repository, with so many phrases in them; the last one's labels are hidden."""
    for part, n, seed in (("train", train, 0), ("validation", test, 1), ("test", 10, 2)):
        texts, labels = made_up(WORDS, n, seed)
        columns = {
            "idx": pa.array(range(n), pa.int32()),
            "sentence": [f"{text} " for text in texts],  # a blank ends each of the published ones
            "label": [-1] * n if part == "test" else labels,
        }
        write_file(folder / "data" / f"{part}-00000-of-00001.parquet", columns, ["negative", "positive"])
    return folder


def made_up(words: list[list[str]], n: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of 4 to 30 words, one in three of them of the text's class, and their classes."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, len(words), n).tolist()
    lengths = draw.integers(4, 31, n).tolist()
    texts = [
        " ".join(draw.choice(words[label] if i % 3 == 0 else OTHERS) for i in range(length))
        for label, length in zip(labels, lengths, strict=True)
    ]
    return texts, labels


def write_file(path: Path, columns: dict, names: list[str]) -> None:
    """A Parquet file as the hub has them: the labels are int64, and the schema says what they are called."""
    table = pa.table({**columns, "label": pa.array(columns["label"], pa.int64())})
    kinds = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in table.schema}
    kinds["label"] = {"names": names, "_type": "ClassLabel"}
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"info": {"features": kinds}})
    parquet.write_table(table.replace_schema_metadata({"huggingface": said}), path)
