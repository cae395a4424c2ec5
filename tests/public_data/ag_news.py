"""AG News."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sst2 import made_up, write_file

TEXT = "ag_news-network=transformer"  # package_sections has the GRU, whose exports take longer
WORDS = [
    ["minister", "embassy", "troops", "election"],
    ["coach", "league", "champion", "goal"],
    ["shares", "profit", "merger", "oil"],
    ["software", "telescope", "browser", "genome"],
]


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The folder, named; and a cache."""
    patch.setenv("BREAKEVEN_CACHE", str(folder / "cache"))
    patch.setenv("BREAKEVEN_AG_NEWS", str(write(folder / "ag_news")))


def write(folder: Path, train: int = 2000, test: int = 128) -> Path:
    """The two files of the hub's repository, with so many articles in them."""
    for part, n, seed in (("train", train, 0), ("test", test, 1)):
        texts, labels = made_up(WORDS, n, seed)
        names = ["World", "Sports", "Business", "Sci/Tech"]
        write_file(folder / "data" / f"{part}-00000-of-00001.parquet", {"text": texts, "label": labels}, names)
    return folder
