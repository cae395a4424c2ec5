"""Ranks that rows share where the measurement cannot tell their costs apart (protocol, section 7.4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd

from breakeven import statistics
from breakeven.protocol import ROUNDING, SAME

Entry = tuple[int, float, float, float]  # a row: its group, the log of its burden, that log's error, Student's quantile


def shared_ranks(
    rows: pd.DataFrame, key: list[str], interval: tuple[str, str] | None = None, reference: str | None = None
) -> pd.Series:
    """Ranks by `burden` within each group of equal `key`, from 1.

    The cheapest row leads. A row shares the leader's rank unless it is more than 2 % costlier and the 95 % interval of
    the ratio of the two costs (`statistics.margin`) excludes 1. The first row apart leads the next rank, numbered by
    its position (1, 1, 3). An unknown interval separates no rows.

    Args:
        rows: with `burden`, a positive cost of any unit, and the columns that the other arguments name.
        key: the columns that must be equal for two rows to be ranked together.
        interval: columns of the 95 % interval of the paired ratio that `burden` is the inverse of. None for costs
            without an error: 2 % separates them.
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
    columns = (group, burden, error, statistics.student(n))
    in_order = zip(*(column[order].tolist() for column in columns), strict=True)
    ranks = np.empty(len(rows), dtype=int)
    ranks[order] = [rank for _, members in groupby(in_order, key=itemgetter(0)) for rank in _ranks(members)]
    return pd.Series(ranks, index=rows.index, dtype="Int64")


def _ranks(members: Iterable[Entry]) -> Iterator[int]:
    """The ranks of one group's rows, the cheapest first."""
    leader: Entry | None = None
    rank = 1
    for position, row in enumerate(members, 1):
        if leader is None or _apart(row, leader):
            leader, rank = row, position
        yield rank


def _apart(row: Entry, leader: Entry) -> bool:
    """Tell whether a row costs more than its leader beyond doubt."""
    (_, burden, *error), (_, leading, *its_error) = row, leader
    costlier = burden - leading
    return costlier > APART and costlier > statistics.margin(*error, *its_error)


APART = math.log1p(SAME) + ROUNDING  # on the logarithm
