"""The generated documents match the code. `make docs` writes them."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the scripts that write the documents."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))


@pytest.mark.parametrize("script", ["architecture", "api", "rows"])
def test_the_page_is_not_stale(script: str) -> None:
    made = runpy.run_path(str(ROOT / "docs" / f"{script}.py"))
    assert made["page"]() == made["PAGE"].read_text(), "run 'make docs'"


def test_the_picture_has_every_import_or_a_longer_way_for_it() -> None:
    import architecture

    imports = architecture.boxes("breakeven")
    drawn = {
        tuple(line.split(" --> "))
        for line in map(str.strip, architecture.picture(imports).splitlines())
        if "-->" in line
    }
    reached = {box: {below for above, below in drawn if above == box} for box in imports}
    for box in architecture.heights(imports):  # from the bottom
        reached[box] |= {far for near in reached[box] for far in reached[near]}
    assert all(imported <= reached[box] for box, imported in imports.items())


def test_floors_rise_with_the_imports_and_circles_are_counted() -> None:
    import architecture

    line = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert architecture.figures(line) == {"boxes": "3", "floors": "3", "arrows": "2", "circles": "no circle"}
    assert architecture.figures({**line, "c": {"a"}})["circles"] == "one circle"
