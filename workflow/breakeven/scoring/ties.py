"""Ranks that are shared by what a measurement cannot tell apart (protocol, section 7.4), for any number of groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from breakeven import statistics
from breakeven.protocol import ROUNDING, SAME

WINDOW = 2  # rows that are compared with a new leader at first; twice as many each time that it holds


def ranks(
    rows: pd.DataFrame, key: list[str], interval: tuple[str, str] | None = None, reference: str | None = None
) -> pd.Series:
    """Ranks by `burden` within each group of equal `key`, from 1.

    The cheapest row leads. A row shares the leader's rank unless it is more than 2 % costlier and, for what has an
    interval, the 95 % bootstrap interval of the ratio of the two costs (`statistics.margin`) excludes 1; the first that
    does not leads the next rank, which is its place. An unknown interval separates nothing.

    Args:
        rows: with `burden`, a positive cost of any unit, and the columns that the other arguments name.
        key: what must be equal for two rows to be ranked together.
        interval: columns of the 95 % interval of the paired ratio that `burden` is the inverse of.
        reference: the chain that the ratios are relative to: it has no error of its own.
    """
    group = rows.groupby(key, dropna=False, sort=False).ngroup().to_numpy()
    with np.errstate(divide="ignore"):
        burden = np.log(rows["burden"].to_numpy(float))
    error, n = np.zeros(len(rows)), np.full(len(rows), 2.0)
    if interval is not None:
        low, high, processes = (rows[name].to_numpy(float, na_value=np.nan) for name in (*interval, "processes"))
        exact = rows["chain"].eq(reference).to_numpy()
        error = np.where(exact, error, statistics.standard_error(low, high, processes))
        n = np.where(exact, n, processes)
    order = np.lexsort((n, error, burden, group))  # equal rows are neighbours, whatever order they came in
    found = np.empty(len(rows), dtype=int)
    found[order] = _in_order(group[order], burden[order], error[order], n[order])
    return pd.Series(found, index=rows.index, dtype="Int64")


def _in_order(group: np.ndarray, burden: np.ndarray, error: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Ranks of rows that are sorted by group and burden: in all groups at once, from one leader to the next."""
    found = np.empty(len(group), dtype=int)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(group))
    place = np.arange(len(group)) - np.repeat(starts, ends - starts) + 1
    leader, at = starts, starts  # in each group: the row that leads, and the first that has no rank yet
    window = np.full(len(starts), WINDOW)
    while len(at):
        size = np.minimum(window, ends - at)
        first = np.cumsum(size) - size
        row = np.repeat(at - first, size) + np.arange(size.sum())
        behind = np.cumsum(_apart(burden, error, n, row, np.repeat(leader, size)))
        before = np.append(0, behind)[first]
        shared = behind == np.repeat(before, size)  # the rows until the first that is apart
        found[row[shared]] = place[np.repeat(leader, size)[shared]]
        taken = np.add.reduceat(shared, first, dtype=int)
        at = at + taken
        held = taken == size
        leader, window = np.where(held, leader, at), np.where(held, 2 * window, WINDOW)
        going_on = at < ends
        leader, at, ends, window = leader[going_on], at[going_on], ends[going_on], window[going_on]
    return found


def _apart(burden: np.ndarray, error: np.ndarray, n: np.ndarray, row: np.ndarray, leader: np.ndarray) -> np.ndarray:
    """Which rows cost more than their leaders beyond doubt; all arrays but the last two are of logarithms or counts."""
    with np.errstate(invalid="ignore"):
        costlier = burden[row] - burden[leader]
    apart = costlier > np.log1p(SAME) + ROUNDING
    row, leader = row[apart], leader[apart]
    apart[apart] = costlier[apart] > statistics.margin(error[row], n[row], error[leader], n[leader])
    return apart
