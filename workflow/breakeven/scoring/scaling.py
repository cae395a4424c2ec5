"""The fastest training method on each number of devices and each link.

Pure functions on training rows that share `ratios.TRAINING_KEY` and are ranked by `leaderboard.rank_trainings`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from breakeven.protocol import SINGLE_DEVICE
from breakeven.scoring.ratios import TRAINING_KEY
from breakeven.scoring.ties import shared_ranks
from breakeven.scoring.wording import number

UNTHROTTLED = "unthrottled"


@dataclass(frozen=True)
class Win:
    """The fastest training methods on a hardware profile. A run on one of its devices competes, too."""

    hardware: str
    processes: int | None  # None where no run started
    threads: int  # of each process
    rate: float  # of the link [Mbit/s]; infinite where nothing throttles it
    fastest: tuple[str, ...]  # training methods: several if they tie, none if no run can be compared
    seconds: float  # training time of the fastest; NaN without one
    speedup: float  # the single-device run's time over it; NaN where unknown
    runner_up: str | None
    behind: float  # the runner-up's time over the time of the fastest; NaN without one

    @property
    def order(self) -> tuple[float, int, float, str]:
        """Sort key: small profiles and fast links first, profiles without a started run last."""
        return self.processes or math.inf, self.threads, -self.rate, self.hardware


def link_of(rate: float) -> str:
    """A link in words, from its rate [Mbit/s]."""
    return UNTHROTTLED if math.isinf(rate) else f"{number(rate)} Mbit/s"


def link(row: pd.Series) -> str:
    """The link between the processes of a row in words; empty for a single process."""
    if pd.notna(row["network_mbit"]):
        return link_of(row["network_mbit"])
    return UNTHROTTLED if row["world_size"] > 1 else ""


def rate_of(rows: pd.DataFrame) -> pd.Series:
    """The rate of the link [Mbit/s]; infinite for a link that is not throttled."""
    return rows["network_mbit"].astype(float).fillna(math.inf)


def bytes_per_step(rows: pd.DataFrame) -> pd.Series:
    """The bytes that all processes together send in a step; NaN where they were not counted."""
    return rows["communicated_bytes"].astype(float) / rows["steps"].astype(float)


def comparable(rows: pd.DataFrame, by: str) -> pd.Series:
    """Select the rows that are ranked and whose time `by` is finite.

    Ranked rows were timed alone, without foreign load, and keep the quality. The time to a missed target is infinite.
    """
    return rows["rank"].notna() & np.isfinite(rows[by].astype(float))


def lines(board: pd.DataFrame) -> pd.DataFrame:
    """The lines of a scaling plot: each method over each link, from the single-device run with as many threads.

    Returns: the rows with the `method` and the `rate` of their line, and its number `line`.
    """
    single = board["training_method"].eq(SINGLE_DEVICE)
    at = ["training_method", "rate", "threads"]
    parts = [
        pd.concat([board[single & board["threads"].eq(threads)], own]).assign(method=method, rate=rate, line=line)
        for line, ((method, rate, threads), own) in enumerate(board[~single].assign(rate=rate_of(board)).groupby(at))
    ]
    return pd.concat(parts, ignore_index=True) if parts else board.iloc[:0].assign(method="", rate=math.nan, line=0)


def wins(board: pd.DataFrame, by: str = "train_time_s") -> list[Win]:
    """The fastest methods on each profile that has other runs than single-device ones, in order.

    Args:
        by: `train_time_s` or `time_to_target_s`.
    """
    others = board[board["training_method"] != SINGLE_DEVICE]
    unordered = [_win(str(hardware), own, board, by) for hardware, own in others.groupby("hardware")]
    return sorted(unordered, key=lambda win: win.order)


def _win(hardware: str, others: pd.DataFrame, board: pd.DataFrame, by: str) -> Win:
    place = others.iloc[0]
    here = board["hardware"].eq(hardware)
    one = board["training_method"].eq(SINGLE_DEVICE) & board["threads"].eq(place["threads"])
    timed = board[comparable(board, by) & (here | one)]
    timed = timed.assign(burden=timed[by].astype(float)).sort_values("burden", kind="stable")
    first = shared_ranks(timed, TRAINING_KEY) == 1
    fastest = tuple(dict.fromkeys(timed.loc[first, "training_method"]))
    rest = timed[~timed["training_method"].isin(fastest)]
    alone = timed.loc[timed["training_method"].eq(SINGLE_DEVICE), "burden"]
    seconds = _first(timed["burden"])
    return Win(
        hardware=hardware,
        processes=int(others["world_size"].max()) if others["world_size"].notna().any() else None,
        threads=int(place["threads"]),
        rate=float(rate_of(others).iloc[0]),
        fastest=fastest,
        seconds=seconds,
        speedup=_first(alone) / seconds,
        runner_up=str(rest["training_method"].iloc[0]) if len(rest) else None,
        behind=_first(rest["burden"]) / seconds,
    )


def _first(values: pd.Series) -> float:
    """The first of the values, NaN where there are none."""
    return float(values.iloc[0]) if len(values) else math.nan
