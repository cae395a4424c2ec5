"""Which way of training wins where: on how many devices, over which link, for a model of which size.

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
    """What trains fastest on a hardware profile, where using one of its devices only is a choice too."""

    hardware: str
    processes: int | None  # None where no run has got there
    threads: int  # of each process
    rate: float  # of the link [Mbit/s]; infinite where nothing throttles it
    fastest: tuple[str, ...]  # training methods, several where they tie; none where no run can be compared
    seconds: float  # of the fastest; NaN where there is none
    speedup: float  # the single-device run's time over it; NaN where that is unknown
    runner_up: str | None
    behind: float  # the runner-up's time over that of the fastest; NaN where there is none

    @property
    def order(self) -> tuple[float, int, float, str]:
        """Small profiles and fast links first; last those that no run has got to."""
        return self.processes or math.inf, self.threads, -self.rate, self.hardware


def link_of(rate: float) -> str:
    """A link by its rate [Mbit/s], in words."""
    return UNTHROTTLED if math.isinf(rate) else f"{number(rate)} Mbit/s"


def link(row: pd.Series) -> str:
    """The link between the processes of a row: its rate, or that nothing throttles it; empty for a single process."""
    if pd.notna(row["network_mbit"]):
        return link_of(row["network_mbit"])
    return UNTHROTTLED if row["world_size"] > 1 else ""


def rate_of(rows: pd.DataFrame) -> pd.Series:
    """The rate of the link [Mbit/s], infinite where nothing throttles it."""
    return rows["network_mbit"].astype(float).fillna(math.inf)


def bytes_per_step(rows: pd.DataFrame) -> pd.Series:
    """What all processes together send in a step, NaN where it was not counted."""
    return rows["communicated_bytes"].astype(float) / rows["steps"].astype(float)


def comparable(rows: pd.DataFrame, by: str) -> pd.Series:
    """Where a row is ranked (timed alone, without foreign load, within the quality gate) and its time `by` finite: a
    target that was missed is infinitely far."""
    return rows["rank"].notna() & np.isfinite(rows[by].astype(float))


def lines(board: pd.DataFrame) -> pd.DataFrame:
    """The rows of each method over each link, after the single-device run of as many threads that they start from.

    Returns: the rows with `method` and `rate` of their line, and its number `line`.
    """
    single = board["training_method"].eq(SINGLE_DEVICE)
    at = ["training_method", "rate", "threads"]
    found = [
        pd.concat([board[single & board["threads"].eq(threads)], own]).assign(method=method, rate=rate, line=line)
        for line, ((method, rate, threads), own) in enumerate(board[~single].assign(rate=rate_of(board)).groupby(at))
    ]
    return pd.concat(found, ignore_index=True) if found else board.iloc[:0].assign(method="", rate=math.nan, line=0)


def wins(board: pd.DataFrame, by: str = "train_time_s") -> list[Win]:
    """What is fastest on each profile that has anything else than single-device runs, in their order.

    Args:
        by: `train_time_s` or `time_to_target_s`.
    """
    others = board[board["training_method"] != SINGLE_DEVICE]
    found = [_win(str(hardware), own, board, by) for hardware, own in others.groupby("hardware")]
    return sorted(found, key=lambda win: win.order)


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
