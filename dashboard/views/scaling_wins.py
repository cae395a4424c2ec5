"""The fastest training method on each hardware profile: the table at the top of the page Scaling, and its words."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st
from views import shared, table
from views.inference_board import TASK
from views.labels import why_missing
from views.scaling_charts import TIMES
from views.table import Cell, Column

from breakeven import protocol
from breakeven.protocol import SINGLE_DEVICE
from breakeven.scoring import leaderboard, ratios, scaling
from breakeven.scoring.scaling import Win
from breakeven.scoring.wording import GAP, number, times

KEY = ["source", *ratios.TRAINING_KEY]
COMPARED = (
    "Compared runs were timed alone, without foreign load, and their quality lies within"
    f" {shared.exact(1 - protocol.GATE)} of the single-device run's."
)


def told_apart(board: pd.DataFrame, among: pd.DataFrame) -> str:
    """Return the keys in which a board differs from the others of `among`."""
    differing = [field for field in KEY if field != "task" and among[field].nunique(dropna=False) > 1]
    values = {field: board[field].iloc[0] for field in differing}
    return " · ".join(f"{field.replace('_', ' ')} {GAP if pd.isna(v) else v}" for field, v in values.items())


def won(training: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the boards with something to compare, small models first: each with its ranked rows, the win on each
    hardware profile, and the keys in which it differs from other boards of its task."""
    lines = []
    for key, rows in leaderboard.boards(training, KEY):
        board = leaderboard.rank_trainings(rows)
        if wins := {win.hardware: win for win in scaling.wins(board, by)}:
            lines.append({"task": key["task"], "parameters": board["parameters"].max(), "board": board, "wins": wins})
    found = pd.DataFrame(lines)
    same = {task: pd.concat(list(boards)) for task, boards in found.groupby("task")["board"]}
    found["which"] = [told_apart(board, same[task]) for task, board in zip(found["task"], found["board"], strict=True)]
    return found.sort_values(["parameters", "task"], kind="stable")


def show(training: pd.DataFrame, by: str) -> None:
    """Show the fastest training method on each hardware profile, with a line for each task."""
    found = won(training, by)
    every = sorted((win for wins in found["wins"] for win in wins.values()), key=lambda win: win.order, reverse=True)
    profiles = {win.hardware: win for win in every}  # the first in order for each: one that knows its processes
    ordered = sorted(profiles.values(), key=lambda win: win.order)
    columns = [task_column(), PARAMETERS, *(winner(win, by) for win in ordered)]
    table.show(columns, found, "scaling_wins")
    st.caption(
        f"The training method with the shortest {TIMES[by].lower()}, small models first. = marks a tie: the times"
        f" differ by less than {shared.exact(protocol.SAME)}. Below: the speed-up over one device, and the next"
        f" training method with its time divided by the winner's. {COMPARED} One run has no interval. Hover over a gap"
        " for its reason."
    )


def task_column() -> Column:
    """Return the column of tasks; below each, the keys in which its boards differ."""

    def cell(line: pd.Series) -> Cell:
        found = TASK.cell(line)
        return Cell(found.text, found.sort, line["which"] or None, link=found.link, page=found.page)

    return Column("Task", cell, right=False)


PARAMETERS = Column(
    "Parameters",
    lambda line: table.number(line["parameters"] / 1e6, lambda value: f"{value:.3g} M"),
    "Number of parameters of the task's model.",
)


def winner(profile: Win, by: str) -> Column:
    """Return the column of a hardware profile."""

    def cell(line: pd.Series) -> Cell:
        win = line["wins"].get(profile.hardware)
        if win is None:
            return Cell(GAP, why="not run")
        if not win.fastest:
            return Cell(GAP, why=why_none(line["board"], win.hardware, by))
        behind = f"; next {win.runner_up}, {times(win.behind)}" if win.runner_up else ""
        names = " = ".join(win.fastest)
        return Cell(names, names, f"{times(win.speedup)}{behind}", why=told(win, by))

    return Column(profile.hardware, cell, place(profile), right=False, wrap=True)


def place(win: Win) -> str:
    """Return a hardware profile in words."""
    if win.processes is None:
        return "no training has succeeded there"
    return f"{win.processes} × {counted(win.threads)}, {scaling.link_of(win.rate)}"


def counted(threads: int) -> str:
    """Return a number of threads in words."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def told(win: Win, by: str) -> str:
    """Return a win as a sentence."""
    tied = "is fastest" if len(win.fastest) == 1 else "tie"
    over = "" if math.isnan(win.speedup) else f", {times(win.speedup)} the speed of one device"
    if win.fastest == (SINGLE_DEVICE,):
        tied, over = "is fastest (no distributed training method beats one device)", ""
    then = f"; next {win.runner_up}, {times(win.behind)} its time" if win.runner_up else ""
    *others, last = win.fastest
    names = f"{', '.join(others)} and {last}" if others else last
    return f"{names} {tied}: {number(win.seconds)} s {TIMES[by].lower()}{over}{then}"


def why_none(board: pd.DataFrame, hardware: str, by: str) -> str:
    """Say why no run on a hardware profile can be compared."""
    rows = board[board["hardware"] == hardware]
    said = [f"{row['training_method']}: {', '.join(why(row, by))}" for _, row in rows.iterrows()]
    return "; ".join(said)


def why(row: pd.Series, by: str) -> list[str]:
    """Return the reasons why a row is not compared."""
    return ["missed the target"] if row[by] == math.inf else why_missing(row)
