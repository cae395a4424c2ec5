"""One order of the methods over many workloads, without an average of raw metrics (protocol, section 7.5).

The score is AlgoPerf's: the performance profile of Dolan and Moré (2002, arXiv:cs/0102001) integrated from 1 to
R_MAX (Dahl et al. 2023, "Benchmarking neural network training algorithms", arXiv:2306.07179).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from breakeven import protocol
from breakeven.protocol import R_MAX
from breakeven.scoring import leaderboard, ratios

# An overall board holds one machine and one scenario. Each of its workloads is a task with its data and seed.
OVERALL = ["hardware", "scenario", "batch_size", "hardware_fingerprint", "threads", "protocol_version"]
WORKLOAD = ["task", "task_version", "dataset_sha256", "split", "seed"]


def performance_ratios(rows: pd.DataFrame, by: str = "latency", gate: float = protocol.GATE) -> pd.DataFrame:
    """Each method's cost on each workload over the lowest cost of all methods there.

    The ratio is NaN, which counts as infinite, where a method failed, is missing, was contended, or misses the quality
    gate. It is NaN also where the row's energy is estimated and its reference's measured, or the other way round.

    Args:
        rows: with ratios, see `ratios.with_ratios`, all of one value of OVERALL.

    Returns:
        One row per method (its chain), one column per workload of the board.
    """
    burden = _by_workload(ranked(rows, by, gate), "burden")
    return burden / burden.min()


def scores(relative: pd.DataFrame) -> pd.Series:
    """The score of each method from its `performance_ratios`.

    rho(tau) is the share of workloads on which a method costs at most tau times the cheapest. The score is the mean of
    rho for tau from 1 to R_MAX: 1 for a method that is the cheapest everywhere, 0 for a method that never comes within
    a factor of R_MAX.
    """
    return ((R_MAX - relative) / (R_MAX - 1)).clip(0, 1).fillna(0).mean(axis=1)


def overall(rows: pd.DataFrame, by: str = "latency", gate: float = protocol.GATE) -> pd.DataFrame:
    """The methods of one overall board, the best first.

    Args:
        rows, by, gate: as in `performance_ratios`.

    Returns:
        Columns `chain`, `score` (see `scores`), `covered` (workloads on which the method has a ratio), `workloads`
        (all of them), `common` (workloads on which every method with any coverage has a ratio), and `gain`, the
        geometric mean of the cost's ratio to the reference over the common workloads; NaN where there are none.
    """
    relative = performance_ratios(rows, by, gate)
    covered = relative.notna().sum(axis=1)
    common = relative[covered > 0].notna().all()
    gain = _by_workload(ranked(rows, by, gate), ratios.COSTS[by].ratio).loc[:, common]
    table = pd.DataFrame(
        {
            "score": scores(relative),
            "covered": covered,
            "workloads": relative.shape[1],
            "common": int(common.sum()),
            "gain": np.exp(np.log(gain).mean(axis=1)).where(covered > 0),
        }
    )
    best_first = {"score": False, "covered": False, "chain": True}
    return table.reset_index(names="chain").sort_values(list(best_first), ascending=list(best_first.values()))


def boards(rows: pd.DataFrame) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """The overall boards that have more than one workload, with the rows of each."""
    for key, group in leaderboard.boards(rows, OVERALL):
        if len(group[WORKLOAD].drop_duplicates()) > 1:
            yield key, group


def profile(relative: pd.DataFrame) -> pd.DataFrame:
    """The steps of the profiles of `performance_ratios`: columns `chain`, `tau` from 1 to R_MAX, and `rho`."""
    steps = []
    for chain, row in relative.iterrows():
        inside = np.sort(row[row <= R_MAX].to_numpy(float))
        taus = np.unique([1.0, *inside, R_MAX])
        rho = np.searchsorted(inside, taus, side="right") / relative.shape[1]
        steps.append(pd.DataFrame({"chain": chain, "tau": taus, "rho": rho}))
    return pd.concat(steps, ignore_index=True)


def ranked(rows: pd.DataFrame, by: str, gate: float) -> pd.DataFrame:
    """The rows with their ranks; no rank where the column that has to be equal (`Cost.per`) is not the reference's."""
    rows = leaderboard.rank(rows, by, gate)
    if per := ratios.COSTS[by].per:
        rows["rank"] = rows["rank"].where(rows[per].eq(ratios.reference_of(rows)[per]))
    return rows


def _by_workload(ranked: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the ranked rows by method and workload, NaN for rows without a rank."""
    values = ranked.assign(_value=ranked[column].astype(float).where(ranked["rank"].notna()))
    values["_workload"] = values.groupby(WORKLOAD, dropna=False, sort=False).ngroup()
    return values.pivot_table("_value", "chain", "_workload", aggfunc="first", dropna=False)
