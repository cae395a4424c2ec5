"""The total cost of serving N inferences with each method, and the cheapest method within limits (docs/cost.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np
import pandas as pd

from breakeven import protocol, statistics
from breakeven.protocol import ESTIMATE, ROUNDING, SAME
from breakeven.scoring import cost, leaderboard, ratios

US_DOLLARS, JOULES, HOURS = "US$", "J", "device-hours"
UNITS = {"usd": US_DOLLARS, "joules": JOULES, "hours": HOURS}


@dataclass(frozen=True)
class Demand:
    """The inferences to serve, and the unit of their cost."""

    inferences: float  # N, from now on
    served: float = 0.0  # N0, served by the original before
    unit: str = "usd"  # a key of UNITS
    serving: float | None = None  # price per hour of the hardware that serves; None: the price in the rows
    making: float | None = None  # price per hour of the hardware that compresses; None: the price in the rows
    spent: bool = True  # count also the cost that no choice changes: training, and the inferences served before


def with_totals(rows: pd.DataFrame, demand: Demand) -> pd.DataFrame:
    """The rows with their costs, in the unit of the demand; NaN where unknown.

    Columns: `c_0` and `c` (cost of one inference by the original and by the method), `making` (compressing and
    exporting), `sunk` (the cost that no choice changes), `total` with `total_low` and `total_high` at the ends of the
    speed-up's interval, `saved` against the original, and N* in `break_even`, `break_even_low`, `break_even_high`.
    """
    rows = rows.copy()
    own = hourly(rows, demand.unit)
    serving = own if demand.serving is None else demand.serving
    making = own if demand.making is None else demand.making
    rows["c_0"] = c_0 = cost.work(rows["reference_seconds_per_inference"], serving)
    rows["making"] = cost.work(rows["making_s"], making)
    served, training = (demand.served, cost.work(rows["train_time_s"], making)) if demand.spent else (0.0, 0.0)
    rows["sunk"] = cost.original_total(0, served, training, c_0)
    original = rows["chain"].eq(protocol.REFERENCE)
    costs = [c_0 / gain.to_numpy(float) for gain in _gains(rows, demand.unit)]
    for total, star, c in zip(TOTALS, ratios.BREAK_EVENS, costs, strict=True):
        rows[total] = cost.compressed_total(demand.inferences, served, training, c_0, rows["making"], c)
        rows[star] = pd.Series(cost.break_even(rows["making"], c_0, c), index=rows.index).mask(original)
    rows["c"] = costs[0]
    rows["saved"] = cost.original_total(demand.inferences, served, training, c_0) - rows["total"]
    return rows


TOTALS = ["total", "total_low", "total_high"]


def cheapest(
    rows: pd.DataFrame, demand: Demand, gate: float = protocol.GATE, limits: Mapping[str, float | None] | None = None
) -> pd.DataFrame:
    """The rows of one key (`ratios.KEY`): the eligible ones in order of their total cost, then the others.

    A row is eligible if it is on the closed board (see `leaderboard.rank`) within `limits` and its total is known.
    Columns beside those of `with_totals`:

    - `why_not`: the reasons why the row is not eligible, and `eligible`: there are none;
    - `cheapest`: the eligible row of lowest total;
    - `tied`: the cheapest row, and the eligible rows that the measurement cannot tell from it. As for ranks, the 95 %
      interval of the difference includes 0, or the difference is within 2 % of the cheapest total without `sunk`.
    """
    limits = limits or leaderboard.NO_LIMITS
    ranked = with_totals(leaderboard.rank(rows, "usd", gate, limits), demand)
    ranked["why_not"] = _why_not(ranked, demand, gate, limits)
    ranked["eligible"] = ranked["why_not"].str.len() == 0
    ranked = ranked.sort_values(["eligible", "total", "chain"], ascending=[False, True, True])
    ranked["cheapest"] = ranked["eligible"] & (np.arange(len(ranked)) == 0)
    ranked["tied"] = ranked["eligible"] & ~_costlier(ranked, demand)
    return ranked


def _costlier(rows: pd.DataFrame, demand: Demand) -> pd.Series:
    """The rows that cost more than the first one beyond doubt. An unknown interval leaves doubt."""
    _, better, worse = (gain.to_numpy(float) for gain in _gains(rows, demand.unit))
    n = rows["processes"].to_numpy(float, na_value=np.nan)
    error = statistics.standard_error(worse, better, n) * demand.inferences * rows["c"].to_numpy(float)
    exact = rows["chain"].eq(protocol.REFERENCE).to_numpy()  # its gain is 1 by definition
    error, t = np.where(exact, 0.0, error), statistics.student(np.where(exact, 2.0, n))
    own = (rows["total"] - rows["sunk"]).to_numpy(float)
    doubt = statistics.margin(error, t, error[:1], t[:1])
    more = own - own[:1]
    return pd.Series((more > SAME * own[:1]) & (more > doubt), index=rows.index)


def _why_not(rows: pd.DataFrame, demand: Demand, gate: float, limits: Mapping[str, float | None]) -> list[list[str]]:
    """The reasons against each row; none for an eligible one."""
    kept = rows["quality_ratio"]
    reasons = {"no reference": kept.isna(), "below the quality gate": kept < gate - ROUNDING}
    for column, limit in limits.items():
        if limit is not None:
            name, value = LIMITED.get(column, column), rows[column].astype(float)
            reasons |= {f"{name} unknown": value.isna(), f"{name} over the limit": value > limit}
    reasons["contended"] = ratios.flagged(rows, "contended")
    reasons[UNKNOWN[demand.unit]] = rows["total"].isna() & kept.notna()
    why = [list(compress(reasons, applies)) for applies in zip(*reasons.values(), strict=True)]
    each = zip(rows["board"], rows["status"], why, strict=True)
    return [[str(status)] if board == "gap" else against for board, status, against in each]


LIMITED = {
    "latency_p50_ms": "latency",
    "memory_above_baseline_bytes": "memory",
    "disk_bytes": "size",
    "packed_bytes": "packed size",
}
UNKNOWN = {"usd": "price or time unknown", "joules": "energy or time unknown", "hours": "time unknown"}


def hourly(rows: pd.DataFrame, unit: str) -> pd.Series:
    """The cost of an hour of the rows' hardware: US$ from its profile, joules from its power, or one device-hour.

    The power is the one measured while the reference served, or the profile's estimate. It is NaN where one of the
    two, the row and its reference, was measured and the other one estimated.
    """
    if unit == "usd":
        return rows["usd_per_hour"].astype(float)
    if unit == "hours":
        return pd.Series(cost.DEVICE_HOURS, index=rows.index)
    reference = ratios.reference_of(rows)
    measured = reference["energy_j_per_sample"].astype(float) / reference["seconds_per_inference"]
    watts = rows["watts"].astype(float).where(rows["energy_method"].eq(ESTIMATE), measured)
    return (watts * cost.SECONDS_PER_HOUR).where(rows["energy_method"].eq(reference["energy_method"]))


def _gains(rows: pd.DataFrame, unit: str) -> list[pd.Series]:
    """The reference's cost of one inference over the row's: the value, its better end and its worse end."""
    speedups = [rows[name].astype(float) for name in ratios.SPEEDUPS]
    if unit != "joules":
        return speedups
    energies = [rows[name].astype(float) for name in ("energy_gain", *reversed(ratios.ENERGY_INTERVAL))]
    estimated = rows["energy_method"].eq(ESTIMATE)  # an estimate is a constant power times the time
    return [speed.where(estimated, energy) for speed, energy in zip(speedups, energies, strict=True)]
