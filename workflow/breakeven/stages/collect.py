"""Unites the rows of all cells into a board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from breakeven.errors import UserError, did_you_mean
from breakeven.files import read_json
from breakeven.results import ROWS
from breakeven.rows import BOARDS, from_dict, write_parquet
from breakeven.stages.job import fill, price
from breakeven.units import registry


def collect(kind: str, sources: Sequence[Path], output: Path) -> None:
    """Unite the rows of all cells into one board, with the current prices of the hardware files."""
    row_types = {board: row_type for row_type, board in BOARDS.items()}
    if kind not in row_types:
        raise UserError(f"board '{kind}': {did_you_mean(kind, row_types)}")
    row_type = row_types[kind]
    rows = [from_dict(values, row_type) for source in sources for values in read_json(source / ROWS)]
    for row in rows:
        fill(row, price(registry.hardware(row.hardware)))
    write_parquet(rows, row_type, output)
