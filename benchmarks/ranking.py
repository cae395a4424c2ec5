"""Time the ranking of ten thousand and of a million rows: the fastest of three runs each.

There are two shapes: many groups of 20 rows, and one group of all rows. The costs are synthetic: speed-ups between 0.1
and 100, with intervals from 3 to 7 processes.
"""

import time

import numpy as np
import pandas as pd
from scipy import stats

from breakeven.scoring.ties import shared_ranks

FEW, MANY = 10_000, 1_000_000
SHAPES = {"groups of 20": 20, "one group": None}
INTERVAL = ("speedup_ci_low", "speedup_ci_high")


def table(rows: int, group: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """Make rows as `leaderboard.rank` passes them on: a key, a burden, and the interval of the speed-up."""
    speedup = np.exp(rng.uniform(np.log(0.1), np.log(100), rows))
    processes = rng.integers(3, 8, rows)
    scatter = rng.uniform(0.01, 0.04, rows)  # standard deviation of a process's logarithm
    half = stats.t.ppf(0.975, processes - 1) * scatter / np.sqrt(processes)
    return pd.DataFrame(
        {
            "group": np.arange(rows) // group if group else 0,
            "chain": "other",
            "burden": 1 / speedup,
            "processes": processes,
            INTERVAL[0]: speedup * np.exp(-half),
            INTERVAL[1]: speedup * np.exp(half),
        }
    ).sample(frac=1, random_state=0)


def main() -> None:
    for name, group in SHAPES.items():
        seconds = {}
        for rows in (FEW, MANY):
            made = table(rows, group, np.random.default_rng(0))
            times = []
            for _ in range(3):
                began = time.perf_counter()
                shared_ranks(made, ["group"], INTERVAL, "fp32")
                times.append(time.perf_counter() - began)
            seconds[rows] = min(times)
        growth = f"{seconds[MANY] / seconds[FEW]:.0f} times as long"
        print(f"{name}: {FEW:,} rows {seconds[FEW]:.3f} s, {MANY:,} rows {seconds[MANY]:.2f} s, {growth}")


if __name__ == "__main__":
    main()
