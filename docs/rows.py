"""Writes docs/rows.md from the row classes: every column of the two boards. Run it as `python docs/rows.py`."""

from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from breakeven.rows import InferenceRow, Meaning, Provenance, Row, TrainingRow, columns
from breakeven.scoring.ratios import DERIVED

PAGE = Path(__file__).with_suffix(".md")
INTRODUCTION = """\
# The columns of the boards

`training.parquet` has one row per training cell, `inference.parquet` one per inference cell and scenario. The
[protocol](protocol.md) tells how each figure is measured. `python docs/rows.py` makes this page from the descriptions
in `workflow/breakeven/rows.py` and `workflow/breakeven/scoring/ratios.py`.

In the row of a failed cell, figures that were unknown when it failed are null. The last column names all other
reasons."""
SECTIONS = {
    "Both boards: identity, quality, memory, price": (Row, Provenance),
    "Training board": (TrainingRow, Row),
    "Inference board": (InferenceRow, Row),
    "Both boards: machine and software": (Provenance, None),
}
TYPES = {str: "text", int: "integer", float: "number", bool: "yes or no"}
HEADINGS = ("column", "type", "unit", "meaning", "null where")


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, (own, inherited) in SECTIONS.items():
        others = columns(inherited) if inherited else {}
        stored = {name: column for name, column in columns(own).items() if name not in others}
        parts.append(f"## {title}\n\n{table(HEADINGS, (line(name, *column) for name, column in stored.items()))}")
    for title, row_type in (("Training board", TrainingRow), ("Inference board", InferenceRow)):
        derived = ((f"`{n}`", m.unit, m.text, m.null) for n, m in DERIVED[row_type].items())
        parts.append(f"## {title}: computed from the rows, never stored\n\n{table(('column', *HEADINGS[2:]), derived)}")
    return "\n\n".join(parts) + "\n"


def line(name: str, hint: Any, meaning: Meaning) -> tuple[str, ...]:
    """The cells of a stored column's line."""
    optional = isinstance(hint, UnionType)
    kind = get_args(hint)[0] if optional else hint
    return f"`{name}`", TYPES.get(kind, "text"), meaning.unit, meaning.text, meaning.null if optional else "never"


def table(headings: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    headings = list(headings)
    rows = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


if __name__ == "__main__":
    PAGE.write_text(page())
