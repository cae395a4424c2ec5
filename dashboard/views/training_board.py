"""The training board: a tab of the page Leaderboard."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st
from views import shared, table
from views.inference_board import TASK, link_to
from views.labels import labels, show_gaps
from views.table import Cell, Column

from breakeven import protocol
from breakeven.scoring import leaderboard, ratios, scaling
from breakeven.scoring.wording import GAP, number, percent, place, quality, span, times

ONE_RUN = "one run has no interval; trainings with other seeds are on boards of their own"


def show(training: pd.DataFrame, picked: dict[str, list[str]]) -> None:
    """Show the training boards of the rows that pass the filters."""
    if training.empty:
        st.info("No training rows yet: the run is not finished, or its grid trains nothing for the training board.")
        return
    st.caption(
        "Ranked by training time. Ranked runs were timed alone, without foreign load, and their quality lies within"
        f" {shared.exact(1 - protocol.GATE)} of the single-device run's. Efficiency is t(1) / (N · t(N)) on the same"
        " kind of device. Times leave out evaluation and start-up. One run has no interval."
    )
    for key, rows in leaderboard.boards(training, ["source", *ratios.TRAINING_BOARD]):
        board = shared.narrowed(leaderboard.rank_trainings(rows), picked)
        if board.empty:
            continue
        st.subheader(shared.heading_of(key, board, training))
        name = "training_" + "_".join(map(str, key.values()))
        table.show(COLUMNS, board, name, pale=lambda row: pd.isna(row["rank"]))
        show_gaps(board, "trained_as")


def show_rows(own: pd.DataFrame, training: pd.DataFrame, key: str) -> None:
    """Show rows of several training boards in one table, with their tasks."""
    ranked = leaderboard.rank_trainings(training)
    ranked = ranked[ranked.index.isin(own.index)]
    name, *rest = (column for column in COLUMNS if column.label != "#")
    table.show([name, TASK, *rest], ranked, key, pale=lambda row: pd.isna(row["rank"]))
    st.caption("Compared with the single-device run. Each row is one run without an interval, so there is no verdict.")


def target(row: pd.Series) -> Cell:
    """Return the cell of the time to target; a missed target sorts last."""
    seconds = row["time_to_target_s"]
    if seconds == math.inf:
        return Cell("missed", table.LARGEST, why=f"the run ended below the target of {quality(row['quality_target'])}")
    return table.number(seconds, lambda value: f"{value:.1f} s")


def link(row: pd.Series) -> Cell:
    """Return the cell of the link between processes; an unthrottled link sorts after all rates."""
    text = scaling.link(row)
    sort = table.LARGEST if pd.isna(row["network_mbit"]) else float(row["network_mbit"])
    return Cell(text, sort) if text else Cell(GAP)


def megabytes(value: float) -> str:
    """Format bytes as MB, with all digits before the point."""
    return f"{number(value / 1e6)} MB"


COLUMNS = [
    Column(
        "#",
        lambda row: table.number(row["rank"], lambda _: place(row)),
        f"= marks times that differ by less than {shared.exact(protocol.SAME)}.",
    ),
    Column("Trained as", lambda row: Cell(row["trained_as"], row["trained_as"], link=link_to(row)), right=False),
    Column("Flags", lambda row: Cell(labels=labels(row), sort=len(labels(row))), right=False, wrap=True),
    Column(
        "Quality",
        lambda row: table.number(row["quality"], quality, span(row["quality_ci_low"], row["quality_ci_high"], quality)),
        "On the whole test set. Below: the 95 % interval over test samples.",
    ),
    Column(
        "Quality kept",
        lambda row: table.number(row["quality_ratio"], percent),
        "Share of the single-device run's quality.",
    ),
    Column("Time", lambda row: table.number(row["train_time_s"], lambda value: f"{number(value)} s")),
    Column("Speed-up", lambda row: table.number(row["speedup"], times), "Over the single-device run."),
    Column("95 %", lambda _: Cell(GAP, why=ONE_RUN), "The interval of the time and of the speed-up."),
    Column("Efficiency", lambda row: table.number(row["scaling_efficiency"], percent), "t(1) / (N · t(N))"),
    Column("Processes", lambda row: table.number(row["world_size"], number)),
    Column("Link", link, "The link between the processes: the rate that the hardware profile sets, or unthrottled."),
    Column(
        "Sent",
        lambda row: table.number(row["communicated_bytes"], megabytes),
        "Bytes that all processes together sent in the whole training. A gap where they were not counted.",
    ),
    Column(
        "Memory per process",
        lambda row: table.number(row["rank_memory_above_baseline_bytes"], megabytes),
        "Peak above the level after imports, of the process that held most.",
    ),
    Column("Samples", lambda row: table.number(row["samples_per_s"], lambda value: f"{number(value)} /s")),
    Column("Energy", lambda row: table.number(row["train_energy_j"], lambda value: f"{number(value)} J")),
    Column("US$", lambda row: table.number(row["train_usd"], shared.money)),
    Column("To target", target),
]
