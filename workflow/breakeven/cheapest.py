"""What serving N inferences costs with each method, and which is the cheapest within limits (protocol, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from breakeven import cost, leaderboard
from breakeven.energy import ESTIMATE
from breakeven.ranking import SAME

US_DOLLARS, JOULES, HOURS = "US$", "J", "device-hours"
UNITS = {"usd": US_DOLLARS, "joules": JOULES, "hours": HOURS}


@dataclass(frozen=True)
class Demand:
    """What is to be served, and what it is counted in."""

    inferences: float  # N, from now on
    served: float = 0.0  # N0, by the original before
    unit: str = "usd"  # a key of UNITS
    serving: float | None = None  # price of an hour of the hardware that serves; the rows' own where None
    making: float | None = None  # of the hardware that compresses
    spent: bool = True  # count what is spent either way: training, and the inferences served


def with_totals(rows: pd.DataFrame, demand: Demand) -> pd.DataFrame:
    """The rows with what they cost, in the unit of the demand; NaN where unknown.

    Columns: `c_0` and `c` (of one inference by the original and by the method), `making` (compressing and exporting),
    `sunk` (spent either way), `total` with `total_low` and `total_high` at the ends of the interval of the speed-up,
    `saved` against the original, and N* in `break_even`, `break_even_low`, `break_even_high`.
    """
    rows = rows.copy()
    own = hourly(rows, demand.unit)
    serving = own if demand.serving is None else demand.serving
    making = own if demand.making is None else demand.making
    rows["c_0"] = c_0 = cost.work(rows["reference_seconds_per_inference"], serving)
    rows["making"] = cost.work(rows["making_s"], making)
    trained = cost.work(rows["train_time_s"], making)
    rows["sunk"] = cost.original_total(0, demand.served, trained, c_0) if demand.spent else 0.0
    original = rows["chain"].eq(leaderboard.REFERENCE)
    gains = _gains(rows, demand.unit)
    for total, star, gain in zip(TOTALS, leaderboard.BREAK_EVENS, gains, strict=True):
        c = c_0 / gain.to_numpy(float)
        rows[total] = rows["sunk"] + rows["making"] + demand.inferences * c
        rows[star] = pd.Series(cost.break_even(rows["making"], c_0, c), index=rows.index).mask(original)
    rows["c"] = c_0 / gains[0].to_numpy(float)
    rows["saved"] = rows["sunk"] + demand.inferences * rows["c_0"] - rows["total"]
    return rows


TOTALS = ["total", "total_low", "total_high"]


def cheapest(
    rows: pd.DataFrame, demand: Demand, gate: float = leaderboard.GATE, limits: Mapping[str, float | None] | None = None
) -> pd.DataFrame:
    """The rows of one board in order of their total cost, the ones that may not be chosen last.

    Eligible are rows of the closed board (see `leaderboard.rank`) within `limits` with a known total. Columns beside
    those of `with_totals`: `eligible`; `cheapest`, true for the eligible row of lowest total; and `tied`, true for
    eligible rows whose total is within its interval or within 2 % of the cheapest one's.
    """
    ranked = with_totals(leaderboard.rank(rows, "usd", gate, limits or leaderboard.NO_LIMITS), demand)
    ranked["eligible"] = (
        ranked["board"].eq("closed") & ~leaderboard.flagged(ranked, "contended") & ranked["total"].notna()
    )
    ranked = ranked.sort_values(["eligible", "total", "chain"], ascending=[False, True, True])
    ranked["cheapest"] = ranked["eligible"] & (np.arange(len(ranked)) == 0)
    best = ranked.iloc[0]
    low = ranked["total_low"].fillna(ranked["total"])
    ranked["tied"] = ranked["eligible"] & (low <= best["total"] * (1 + SAME))
    return ranked


def hourly(rows: pd.DataFrame, unit: str) -> pd.Series:
    """What an hour of the rows' hardware costs: US$ from its profile, joules from what it draws, or one device-hour.

    The power is what was measured while the reference served, or what the profile estimates.
    """
    if unit == "usd":
        return rows["usd_per_hour"].astype(float)
    if unit == "hours":
        return pd.Series(cost.DEVICE_HOURS, index=rows.index)
    measured = rows["reference_energy_j_per_sample"].astype(float) / rows["reference_seconds_per_inference"]
    watts = rows["watts"].astype(float).where(rows["energy_method"].eq(ESTIMATE), measured)
    return watts * cost.SECONDS_PER_HOUR


def _gains(rows: pd.DataFrame, unit: str) -> list[pd.Series]:
    """What one inference saves, as a ratio: the value, its better end and its worse end."""
    speedups = [rows[name].astype(float) for name in leaderboard.SPEEDUPS]
    if unit != "joules":
        return speedups
    energies = [rows[name].astype(float) for name in ("energy_gain", *reversed(leaderboard.ENERGY_INTERVAL))]
    estimated = rows["energy_method"].eq(ESTIMATE)  # that is time by another name
    return [speed.where(estimated, energy) for speed, energy in zip(speedups, energies, strict=True)]
