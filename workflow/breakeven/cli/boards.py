"""The boards in the terminal: inference by task, machine and scenario, trainings by task, and the overall scores."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from rich.console import Console

from breakeven import protocol
from breakeven.cli.tables import Column, print_notes, print_table, print_title
from breakeven.protocol import ESTIMATE
from breakeven.scoring import leaderboard, overall, ratios, scaling
from breakeven.scoring.wording import GAP, inferences, notes, number, percent, place, quality, size, span, times


def render(results: Path, console: Console) -> None:
    """Print the boards of a results folder.

    Raises:
        UserError: the folder has no results, or they are not from this version of Breakeven.
    """
    inference, training = leaderboard.load(results)
    seeds = pd.concat([inference["seed"], training["seed"]]).nunique()
    for key, rows in leaderboard.boards(inference, ratios.KEY):
        by = ratios.SCENARIO_COST.get(str(key["scenario"]), "usd")
        ranked = leaderboard.rank(rows, by)
        print_title(f"{key['task']} on {place_of(key)}{machine(rows, inference)}{_seed(key, seeds)}", console)
        shown = print_table(ranked, _inference_columns(by), console, ranked["board"] != "closed")
        print_notes(ranked, "chain", NOTE, shown, console)
    for key, rows in leaderboard.boards(training, ratios.TRAINING_BOARD):
        ranked = leaderboard.rank_trainings(rows)
        print_title(f"Training {key['task']}{_seed(key, seeds)}", console)
        shown = print_table(ranked, TRAINING_COLUMNS, console, ranked["board"] != "closed")
        print_notes(ranked, "trained_as", NOTE, shown, console)
    for key, rows in overall.boards(inference):
        _print_overall(key, rows, machine(rows, inference), console)
    console.print(LEGEND, style="dim")
    console.print("Open the dashboard with [bold]breakeven dashboard[/].")


LEGEND = (
    "Ranked: quality ≥ 99 % of the reference's (★ ≥ 99.9 %; open: below), measured without foreign load."
    " 1=: a rank is shared where the intervals cannot tell two costs apart, or they differ by less than 2 %."
    " × is the reference's value over the row's: above 1 is better. In theory: the ratio of the arithmetic."
    " In its runtime: the speed-up over fp32 in the same runtime, which is the compression's own gain."
    " Pays off: the number of inferences after which compressing has paid for itself (?: the interval of the speed-up"
    " includes never). est.: estimated from the profile's watts, not measured."
)


def place_of(key: dict[str, object]) -> str:
    """The hardware profile and scenario of a board."""
    return f"{key['hardware']}, {str(key['scenario']).replace('_', ' ')} (batch {key['batch_size']})"


def machine(rows: pd.DataFrame, among: pd.DataFrame) -> str:
    """The name of the machine of a board's rows; empty where all rows come from one machine."""
    if among["hardware_fingerprint"].nunique(dropna=False) < 2:
        return ""
    first = rows.iloc[0]
    name = first["cpu_model"] if pd.isna(first["gpu_model"]) else first["gpu_model"]
    return f", {name} ({str(first['hardware_fingerprint'])[:8]})"


def _print_overall(key: dict[str, object], rows: pd.DataFrame, where: str, console: Console) -> None:
    by = ratios.SCENARIO_COST.get(str(key["scenario"]), "usd")
    methods = overall.overall(rows, by)
    print_title(f"Overall on {place_of(key)}{where}, by speed-up", console)
    common = methods["common"].iloc[0]
    columns = [*OVERALL_COLUMNS, Column(f"Mean speed-up ({common} common)", lambda row: times(row["gain"]), 1)]
    print_table(methods, columns, console, methods["covered"] == 0)
    console.print(OVERALL_LEGEND, style="dim")
    console.print()


OVERALL_COLUMNS = [
    Column("Method", lambda row: row["chain"], right=False),
    Column("Score", lambda row: f"{row['score']:.3f}"),
    Column("Covered", lambda row: f"{row['covered']}/{row['workloads']}"),
]
OVERALL_LEGEND = (
    f"Score: 1 is the cheapest everywhere, 0 is nowhere within {protocol.R_MAX:g}× of the cheapest. Rows that failed,"
    " were contended or are below the quality gate count as infinite. Mean: geometric, over the workloads that all"
    " methods have."
)


def _inference_columns(by: str) -> list[Column]:
    cost = ratios.COSTS[by]
    return [
        RANK,
        Column("Method", lambda row: row["chain"], right=False),
        Column("Quality", lambda row: f"{quality(row['quality'])}{_star(row)}", 1),
        Column("of ref.", lambda row: percent(row["quality_ratio"]), 4),
        Column("95 %", _kept, 9),
        Column(f"{cost.label} [{cost.unit}]", lambda row: number(row[cost.column]), 3),
        Column("Speed-up", lambda row: times(row["speedup"])),
        Column("95 %", _interval, 5),
        Column("in theory", lambda row: times(row["theoretical_speedup"]), 8),
        Column("in its runtime", lambda row: times(row["compression_speedup"]), 7),
        Column("Disk", lambda row: size(row["disk_bytes"]), 6),
        Column("×", lambda row: times(row["size_ratio"]), 9),
        Column("Packed", lambda row: size(row["packed_bytes"]), 13),
        Column("×", lambda row: times(row["packed_ratio"]), 14),
        Column("Memory", lambda row: size(row["memory_above_baseline_bytes"]), 10),
        Column("×", lambda row: times(row["memory_ratio"]), 11),
        Column("mJ/sample", _energy, 12),
        Column("US$/million", lambda row: number(row["usd_per_million"]), 6),
        Column("Pays off", pays_off, 1),
        NOTE,
    ]


def _link(row: pd.Series) -> str:
    """The link between the processes; empty if it is not throttled."""
    return scaling.link(row) if pd.notna(row["network_mbit"]) else ""


RANK = Column("#", place)
NOTE = Column("Note", lambda row: ", ".join(notes(row)), 2, right=False)
TRAINING_COLUMNS = [
    RANK,
    Column("Training", lambda row: row["trained_as"], right=False),
    Column("Quality", lambda row: quality(row["quality"]), 1),
    Column("of single", lambda row: percent(row["quality_ratio"]), 4),
    Column("Time [s]", lambda row: number(row["train_time_s"])),
    Column("Speed-up", lambda row: times(row["speedup"]), 1),
    Column("Efficiency", lambda row: percent(row["scaling_efficiency"]), 2),
    Column("Link", _link, 4, right=False),
    Column("To target [s]", lambda row: _to_target(row["time_to_target_s"]), 5),
    Column("Samples/s", lambda row: number(row["samples_per_s"]), 6),
    Column("US$", lambda row: number(row["train_usd"]), 3),
    NOTE,
]


def pays_off(row: pd.Series) -> str:
    """N* of a row, followed by ? if its interval includes "never"."""
    unsure = math.isinf(row["break_even_low"]) != math.isinf(row["break_even_high"])
    return inferences(row["break_even"]) + (" ?" if unsure else "")


def _interval(row: pd.Series) -> str:
    low, high = row["speedup_ci_low"], row["speedup_ci_high"]
    return GAP if pd.isna(low) or low == high else f"{low:.2f}–{high:.2f}"


def _kept(row: pd.Series) -> str:
    low, high = row["quality_kept_ci_low"], row["quality_kept_ci_high"]
    return GAP if low == high else span(low, high, percent)


def _energy(row: pd.Series) -> str:
    estimated = " est." if row["energy_method"] == ESTIMATE else ""
    return GAP if pd.isna(row["energy_j_per_sample"]) else f"{number(1e3 * row['energy_j_per_sample'])}{estimated}"


def _to_target(value: float) -> str:
    return "missed" if value == math.inf else number(value)


def _star(row: pd.Series) -> str:
    return " ★" if row["badge"] else ""


def _seed(key: dict[str, object], seeds: int) -> str:
    return f", seed {key['seed']}" if seeds > 1 else ""
