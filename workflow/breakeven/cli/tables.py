"""Tables that fit the width of the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

BETWEEN = 3  # spaces between two columns


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    heading: str
    show: Callable[[pd.Series], str]
    priority: int = 0  # in a narrow terminal, columns with the highest number are dropped first; 0 stays
    right: bool = True


def print_table(rows: pd.DataFrame, columns: list[Column], console: Console, pale: pd.Series) -> list[Column]:
    """Print the columns that are not empty and fit, `pale` rows in a faint style. Returns the printed columns."""
    columns = [column for column in columns if any(column.show(row) for _, row in rows.iterrows())]
    columns = _fitting(rows, columns, console.width)
    narrow = _width(rows, columns) > console.width  # then the remaining columns are folded, not cut
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            Text(column.heading),
            justify="right" if column.right else "left",
            no_wrap=column.right and not narrow,
            overflow="fold",
        )
    for (_, row), faint in zip(rows.iterrows(), pale, strict=True):
        table.add_row(*(Text(column.show(row)) for column in columns), style="dim" if faint else "")
    console.print(table)
    return columns


def print_notes(rows: pd.DataFrame, name: str, notes: Column, shown: list[Column], console: Console) -> None:
    """Print below a table the reasons of failed cells, and the `notes` if that column did not fit.

    Args:
        name: the column of `rows` that names each row.
        shown: the columns that `print_table` returned.
    """
    failures = "{status}: {reason}".format_map
    lines = [
        f"{row[name]}: {text}"
        for _, row in rows.iterrows()
        if (text := failures(row) if row["board"] == "gap" else "" if notes in shown else notes.show(row))
    ]
    for line in lines:
        console.print(Text(line, style="yellow"))
    if lines:
        console.print()


def print_title(title: str, console: Console) -> None:
    """Print a title over the whole width. A table's own title would be folded to the table's width."""
    console.print(Text(title, style="bold"))


def _fitting(rows: pd.DataFrame, columns: list[Column], width: int) -> list[Column]:
    """Select the columns that fit into the width; columns with the highest priority number are dropped first."""
    while _width(rows, columns) > width and any(column.priority for column in columns):
        columns = [column for column in columns if column.priority < max(c.priority for c in columns)]
    return columns


def _width(rows: pd.DataFrame, columns: list[Column]) -> int:
    """The width of a table of these columns in characters, without folding."""
    widest = [max([cell_len(c.heading), *(cell_len(c.show(row)) for _, row in rows.iterrows())]) for c in columns]
    return sum(widest) + BETWEEN * len(columns)
