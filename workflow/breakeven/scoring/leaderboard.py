"""Boards of rows with their ratios: quality gate, ranks with ties, Pareto front (protocol, section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from breakeven.errors import UserError
from breakeven.protocol import BADGE, GATE, REFERENCE, ROUNDING
from breakeven.rows import BOARD_FILES, InferenceRow, Row, TrainingRow, arrow_schema, read_parquet
from breakeven.scoring.ratios import (
    BOARD,
    COSTS,
    KEY,
    TRAINING_BOARD,
    TRAINING_KEY,
    flagged,
    succeeded,
    with_ratios,
    with_scaling,
)
from breakeven.scoring.ties import shared_ranks

NO_LIMITS: dict[str, float | None] = {}


def load(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The inference rows and the training rows of a results folder, with their ratios.

    If one of the two files is missing, its frame is empty.

    Raises:
        UserError: both files are missing, or one was not made by this version of Breakeven.
    """
    if not any((results / name).exists() for name in BOARD_FILES.values()):
        raise UserError(f"{results}: no results yet: run 'make run' or 'snakemake --cores all' to make some")
    return with_ratios(_read(results, InferenceRow)), with_scaling(_read(results, TrainingRow))


def _read(results: Path, row_type: type[Row]) -> pd.DataFrame:
    path = results / BOARD_FILES[row_type]
    table = read_parquet(path, row_type) if path.exists() else arrow_schema(row_type).empty_table()
    return table.to_pandas()


def within(rows: pd.DataFrame, limits: Mapping[str, float | None]) -> pd.Series:
    """Select the rows that keep every limit, an upper one. None is no limit; an unknown value keeps no limit."""
    kept = pd.Series(True, index=rows.index)
    for column, limit in limits.items():
        if limit is not None:
            kept &= rows[column].astype(float) <= limit
    return kept


def rank(
    rows: pd.DataFrame, by: str = "latency", gate: float = GATE, limits: Mapping[str, float | None] = NO_LIMITS
) -> pd.DataFrame:
    """The rows in order, with these columns:

    - `board`: closed, open (below the quality gate, or over a limit) or gap (failed);
    - `gate_uncertain`: the interval of the quality kept includes the gate;
    - `badge`: at least 99.9 % of the reference's quality;
    - `rank`: from 1, null where not ranked; `shared`: another row of the key has the same rank.

    The cost `by` ranks the rows of the closed board that were measured without foreign load. Estimated and measured
    energies are ranked separately.
    """
    chosen, rows = COSTS[by], rows.copy()
    rows["burden"] = chosen.burden(rows)
    passed = (rows["quality_ratio"] >= gate - ROUNDING) & within(rows, limits)
    rows["board"] = np.select([~succeeded(rows), passed], ["gap", "closed"], default="open")
    low, high = (rows[f"quality_kept_ci_{end}"].astype(float) for end in ("low", "high"))
    rows["gate_uncertain"] = succeeded(rows) & (low < gate - ROUNDING) & (high >= gate - ROUNDING)
    rows["badge"] = rows["quality_ratio"] >= BADGE - ROUNDING
    ranked = rows["board"].eq("closed") & ~flagged(rows, "contended") & rows["burden"].notna()
    key = [*KEY, *([chosen.per] if chosen.per else [])]
    rows["rank"] = shared_ranks(rows[ranked], key, chosen.interval, REFERENCE).reindex(rows.index)
    rows["shared"] = rows["rank"].notna() & rows.duplicated([*key, "rank"], keep=False)
    order = rows["board"].map({"closed": 0, "open": 1, "gap": 2})
    return rows.assign(_order=order).sort_values(["_order", "rank", "burden", "chain"]).drop(columns="_order")


def rank_trainings(rows: pd.DataFrame, gate: float = GATE) -> pd.DataFrame:
    """The training rows in order, with `board` and `rank`.

    The training time ranks the rows that were timed alone, without foreign load, and whose quality is at least 99 % of
    the single-device run's.
    """
    rows = rows.copy()
    rows["burden"] = rows["train_time_s"].astype(float)
    passed = rows["quality_ratio"] >= gate - ROUNDING
    rows["board"] = np.select([~succeeded(rows), passed], ["gap", "closed"], default="open")
    timed = flagged(rows, "timed_alone") & ~flagged(rows, "contended")
    ranked = rows["board"].eq("closed") & timed & rows["burden"].notna()
    rows["rank"] = shared_ranks(rows[ranked], TRAINING_KEY, None).reindex(rows.index)
    rows["shared"] = rows["rank"].notna() & rows.duplicated([*TRAINING_KEY, "rank"], keep=False)
    return rows.sort_values([*TRAINING_BOARD, "rank", "burden", "trained_as"])


def boards(rows: pd.DataFrame, by: list[str] | None = None) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """The boards in order: the values that the rows of a board share, and the rows."""
    names = by or BOARD
    for values, group in rows.groupby(names, dropna=False):
        yield dict(zip(names, values, strict=True)), group


def pareto_front(quality: pd.Series, burden: pd.Series) -> pd.Series:
    """The rows on the front: no other row is as good in quality (higher) and burden (lower) and better in one."""
    q, b = quality.to_numpy(float), burden.to_numpy(float)
    known = np.isfinite(q) & np.isfinite(b)
    no_worse = (q[:, None] >= q) & (b[:, None] <= b)
    better = (q[:, None] > q) | (b[:, None] < b)
    beaten = (no_worse & better & known[:, None]).any(axis=0)
    return pd.Series(known & ~beaten, index=quality.index)
