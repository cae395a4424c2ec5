"""The pictures of the README show the published rows."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
STALE = "the published rows have changed since the pictures were drawn: run 'make pictures'"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """Load the script that draws the pictures."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks up its module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def boards(pictures: ModuleType) -> dict[str, Any]:
    """Return the boards of the current published rows."""
    found: dict[str, Any] = pictures.boards()
    return found


@pytest.mark.parametrize("page", ["light", "dark"])
@pytest.mark.parametrize("name", ["leaderboard", "pareto"])
def test_pictures_show_the_published_rows(pictures: ModuleType, boards: dict[str, Any], name: str, page: str) -> None:
    drawn = pictures.stored(pictures.path_of(name, page))
    expected = pictures.values(boards[name])
    assert {key: drawn[key] for key in ("title", "subtitle")} == {key: expected[key] for key in ("title", "subtitle")}
    rows, wanted = (pd.DataFrame(each["rows"]) for each in (drawn, expected))
    pd.testing.assert_frame_equal(rows, wanted, rtol=1e-6, obj=STALE)


@pytest.mark.parametrize("name", ["leaderboard", "pareto"])
def test_a_picture_names_every_method_and_keeps_its_values(
    pictures: ModuleType, boards: dict[str, Any], name: str, tmp_path: Path
) -> None:
    board = boards[name]
    path = tmp_path / "picture.svg"
    path.write_text(pictures.to_svg(board, name, pictures.themes()["dark"]))
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text())
    assert set(board.rows["method"]) <= set(texts)
    assert pictures.stored(path) == pictures.values(board)


def test_the_readme_shows_each_picture_on_light_and_dark_pages(pictures: ModuleType) -> None:
    shown = re.findall(r'(?:src|srcset)="(docs/[^"]+\.svg)"', (ROOT / "README.md").read_text())
    made = [pictures.path_of(name, page) for name in pictures.BOARDS for page in pictures.themes()]
    assert sorted(ROOT / path for path in shown) == sorted(made)
    assert all(path.exists() for path in made)
