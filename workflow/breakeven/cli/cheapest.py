"""Output of `breakeven cheapest` in the terminal: for each board, the method to take and the costs of all methods."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from breakeven import protocol
from breakeven.cli.boards import machine, pays_off, place_of
from breakeven.cli.tables import Column, print_notes, print_table, print_title
from breakeven.errors import UserError, did_you_mean
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.cheapest import LIMITED, UNITS, Demand, cheapest
from breakeven.scoring.wording import GAP, inferences, number, percent, size, span

Limits = Mapping[str, float | None]


def render_cheapest(
    results: Path,
    only: Mapping[str, str | None],
    demand: Demand,
    min_quality: float,
    limits: Limits,
    console: Console,
) -> None:
    """Print the cheapest method of each board of a results folder, and all methods in order of their costs.

    Args:
        only: the wanted task, hardware and scenario; None for all.
        min_quality: the least share of the reference's quality that a method must keep.
        limits: see `leaderboard.within`.

    Raises:
        UserError: the folder has no results, or a number or a name is not valid.
    """
    _check(demand, min_quality, limits)
    inference, _ = leaderboard.load(results)
    for key, rows in leaderboard.boards(_chosen(inference, only, results), ratios.KEY):
        seed = f", seed {key['seed']}" if inference["seed"].nunique() > 1 else ""
        print_title(f"{key['task']} on {place_of(key)}{machine(rows, inference)}{seed}", console)
        costed = cheapest(rows, demand, min_quality, limits)
        console.print(Text(_answer(costed, demand)))
        shown = print_table(costed, _columns(costed, demand), console, ~costed["eligible"])
        print_notes(costed, "chain", WHY_NOT, shown, console)
    console.print(_legend(demand, min_quality, limits), style="dim")


def _check(demand: Demand, min_quality: float, limits: Limits) -> None:
    if demand.unit not in UNITS:
        raise UserError(f"unit '{demand.unit}': {did_you_mean(demand.unit, UNITS)}")
    if not 0 < demand.inferences < math.inf:
        raise UserError(f"inferences {demand.inferences:g}: give a number above 0, such as 1e8")
    if not 0 <= demand.served < math.inf:
        raise UserError(f"served {demand.served:g}: give how many inferences were served before, 0 or more")
    if not 0 < min_quality <= 2:
        raise UserError(f"min-quality {min_quality:g}: give a share of the reference's quality, such as 0.99")
    for column, limit in limits.items():
        if limit is not None and not limit > 0:
            raise UserError(f"limit of {LIMITED[column]} {limit:g}: give a number above 0")


def _chosen(rows: pd.DataFrame, only: Mapping[str, str | None], results: Path) -> pd.DataFrame:
    """The rows that `only` selects."""
    if rows.empty:
        raise UserError(f"{results}: no rows of the inference board: run a grid with 'chains' first")
    for column, value in only.items():
        if value is not None and value not in set(rows[column]):
            raise UserError(f"{column} '{value}' is not in {results}: {did_you_mean(value, rows[column].unique())}")
    asked = {column: value for column, value in only.items() if value is not None}
    chosen = rows[(rows[list(asked)] == pd.Series(asked, dtype=object)).all(axis=1)] if asked else rows
    if chosen.empty:
        raise UserError(f"{results}: no row has {' and '.join(f'{c} {v}' for c, v in asked.items())}: ask for less")
    return chosen


def _answer(costed: pd.DataFrame, demand: Demand) -> str:
    """The recommendation, in a few sentences."""
    best = costed.iloc[0]
    if not best["eligible"]:
        reasons = Counter(reason for each in costed["why_not"] for reason in each)
        excluded = ", ".join(f"{reason} ({count} of {len(costed)})" for reason, count in reasons.most_common())
        return f"No method is eligible. Reasons: {excluded}."
    parts = [
        f"Cheapest for {inferences(demand.inferences)} inferences: {best['chain']},"
        f" {_cost(best['total'], demand)} in total{_against_the_original(best, demand)}.",
        f"It keeps {percent(best['quality_ratio'])} of the quality, at {number(best['latency_p50_ms'])} ms a call.",
    ]
    tied = [chain for chain in costed.loc[costed["tied"], "chain"] if chain != best["chain"]]
    if tied:
        parts.append(f"The measurement cannot tell it from {', '.join(tied)}.")
    return " ".join(parts)


def _against_the_original(best: pd.Series, demand: Demand) -> str:
    if best["chain"] == protocol.REFERENCE:
        return ", the original itself: no eligible compression pays off"
    saved = f"{_cost(abs(best['saved']), demand)} {'less' if best['saved'] >= 0 else 'more'} than the original"
    if math.isinf(best["break_even"]):
        return f", {saved}"
    unsure = ", if ever: the interval of the speed-up includes never" if pays_off(best).endswith("?") else ""
    return f", {saved}. It pays off after {inferences(best['break_even'])} inferences{unsure}"


def _cost(value: float, demand: Demand) -> str:
    unit = UNITS[demand.unit]
    return f"{unit} {number(value)}" if demand.unit == "usd" else f"{number(value)} {unit}"


def _columns(costed: pd.DataFrame, demand: Demand) -> list[Column]:
    places = {index: place for place, index in enumerate(costed.index[costed["eligible"]], 1)}
    tied = costed["tied"].sum() > 1

    def place(row: pd.Series) -> str:
        return "1=" if row["tied"] and tied else str(places.get(row.name, GAP))

    return [
        Column("#", place),
        Column("Method", lambda row: row["chain"], right=False),
        Column(f"Total [{UNITS[demand.unit]}]", lambda row: number(row["total"])),
        Column("95 %", _interval, 5),
        Column("Saved", _saved, 3),
        Column("To make it", lambda row: number(row["making"]), 8),
        Column("Per million", lambda row: number(1e6 * row["c"]), 7),
        Column("Pays off", pays_off, 4),
        Column("of ref.", lambda row: percent(row["quality_ratio"]), 2),
        Column("p50 [ms]", lambda row: number(row["latency_p50_ms"]), 2),
        Column("Disk", lambda row: size(row["disk_bytes"]), 9),
        WHY_NOT,
    ]


WHY_NOT = Column("Not eligible", lambda row: ", ".join(row["why_not"]), 1, right=False)


def _interval(row: pd.Series) -> str:
    low, high = row["total_low"], row["total_high"]
    return GAP if low == high else span(low, high, number)


def _saved(row: pd.Series) -> str:
    return GAP if row["chain"] == protocol.REFERENCE else number(row["saved"])


def _legend(demand: Demand, min_quality: float, limits: Limits) -> str:
    kept = [f"quality ≥ {100 * min_quality:g} % of the reference's", "measured without foreign load"]
    kept += [f"{LIMITED[column]} ≤ {_limit(column, limit)}" for column, limit in limits.items() if limit is not None]
    before = f" and {inferences(demand.served)} inferences by the original before" if demand.served else ""
    energy = (
        " Joules: training and compressing are assumed to draw the same power as serving."
        if demand.unit == "joules"
        else ""
    )
    return (
        f"Eligible: {', '.join(kept)}. Total: training{before}, compressing, and {inferences(demand.inferences)}"
        f" inferences. Saved: the total of the original (fp32) minus this total.{energy}"
    )


def _limit(column: str, limit: float) -> str:
    return f"{limit:g} ms" if column == "latency_p50_ms" else size(limit)
