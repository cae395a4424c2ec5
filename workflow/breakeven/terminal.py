"""The leaderboard in the terminal: one table per task, hardware and scenario, then the training board."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from breakeven import leaderboard
from breakeven.figures import GAP, inferences, notes, number, percent, place, quality, size, times

BETWEEN = 3  # spaces from one column to the next


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    heading: str
    show: Callable[[pd.Series], str]
    priority: int = 0  # the highest leave first where the terminal is too narrow; 0 stays
    right: bool = True


def render(results: Path, console: Console) -> None:
    """Print the boards of a results folder.

    Raises:
        UserError: no results there, or not ours.
    """
    inference, training = leaderboard.load(results)
    seeds = pd.concat([inference["seed"], training["seed"]]).nunique()
    for key, rows in leaderboard.boards(inference):
        by = leaderboard.SCENARIO_COST.get(str(key["scenario"]), "usd")
        title = f"{key['task']} on {key['hardware']}, {_scenario(key)}{_seed(key, seeds)}"
        _print(title, leaderboard.rank(rows, by), _inference_columns(by), "chain", console)
    for key, rows in leaderboard.boards(training, leaderboard.TRAINING_BOARD):
        title = f"Training {key['task']}{_seed(key, seeds)}"
        _print(title, leaderboard.rank_trainings(rows), TRAINING_COLUMNS, "training", console)
    console.print(LEGEND, style="dim")
    console.print("Open the dashboard with [bold]make dashboard[/].")


LEGEND = (
    "Ranked: quality ≥ 99 % of the reference's (★ ≥ 99.9 %; open: below), measured without foreign load."
    " Equal ranks are ties. × is the reference's value over the row's: above 1 is better. Pays off: after so"
    " many inferences compressing has paid for itself (?: the interval of the speed-up leaves open whether)."
)


def _print(title: str, rows: pd.DataFrame, columns: list[Column], name: str, console: Console) -> None:
    columns = _fitting(rows, columns, console.width)
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            Text(column.heading),
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    for _, row in rows.iterrows():
        table.add_row(*(Text(column.show(row)) for column in columns), style="" if row["board"] == "closed" else "dim")
    console.print(table)
    for _, row in rows[rows["board"] == "gap"].iterrows():
        console.print(Text(f"{row[name]}: {row['status']}: {row['reason']}", style="yellow"))
    if (rows["board"] == "gap").any():
        console.print()


def _fitting(rows: pd.DataFrame, columns: list[Column], width: int) -> list[Column]:
    """As many columns as the width holds, those of low priority dropped first."""
    needed = {
        id(column): BETWEEN
        + max([cell_len(column.heading), *(cell_len(column.show(row)) for _, row in rows.iterrows())])
        for column in columns
    }
    while sum(needed[id(column)] for column in columns) > width and any(column.priority for column in columns):
        columns = [column for column in columns if column.priority < max(c.priority for c in columns)]
    return columns


def _inference_columns(by: str) -> list[Column]:
    cost = leaderboard.COSTS[by]
    return [
        RANK,
        Column("Method", lambda row: row["chain"], right=False),
        Column("Quality", lambda row: f"{quality(row['quality'])}{_star(row)}", 1),
        Column("of ref.", lambda row: percent(row["quality_ratio"]), 4),
        Column(f"{cost.label} [{cost.unit}]", lambda row: number(row[cost.column]), 3),
        Column("Speed-up", lambda row: times(row["speedup"])),
        Column("95 %", _interval, 5),
        Column("Disk", lambda row: size(row["disk_bytes"]), 6),
        Column("×", lambda row: times(row["size_ratio"]), 7),
        Column("Memory", lambda row: size(row["memory_above_baseline_bytes"]), 8),
        Column("×", lambda row: times(row["memory_ratio"]), 9),
        Column("US$/million", lambda row: number(row["usd_per_million"]), 6),
        Column("Pays off", _pays_off, 1),
        Column("Note", _note, 2, right=False),
    ]


RANK = Column("#", place)
TRAINING_COLUMNS = [
    RANK,
    Column("Training", lambda row: row["training"], right=False),
    Column("Quality", lambda row: quality(row["quality"]), 1),
    Column("of single", lambda row: percent(row["quality_ratio"]), 4),
    Column("Time [s]", lambda row: number(row["train_time_s"])),
    Column("Speed-up", lambda row: times(row["speedup"]), 1),
    Column("Efficiency", lambda row: percent(row["scaling_efficiency"]), 2),
    Column("To target [s]", lambda row: _to_target(row["time_to_target_s"]), 5),
    Column("Samples/s", lambda row: number(row["samples_per_s"]), 6),
    Column("US$", lambda row: number(row["train_usd"]), 3),
    Column("Note", lambda row: _note(row), 4, right=False),
]


def _note(row: pd.Series) -> str:
    return ", ".join(notes(row))


def _pays_off(row: pd.Series) -> str:
    unsure = math.isinf(row["break_even_low"]) != math.isinf(row["break_even_high"])
    return inferences(row["break_even"]) + (" ?" if unsure else "")


def _interval(row: pd.Series) -> str:
    low, high = row["speedup_ci_low"], row["speedup_ci_high"]
    return GAP if pd.isna(low) or low == high else f"{low:.2f}–{high:.2f}"


def _to_target(value: float) -> str:
    return "missed" if value == math.inf else number(value)


def _star(row: pd.Series) -> str:
    return " ★" if row["badge"] else ""


def _scenario(key: dict[str, object]) -> str:
    return f"{str(key['scenario']).replace('_', ' ')} (batch {key['batch_size']})"


def _seed(key: dict[str, object], seeds: int) -> str:
    return f", seed {key['seed']}" if seeds > 1 else ""
