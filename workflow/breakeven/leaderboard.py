"""From rows to boards: ratios, the quality gate, ranks with ties, and the Pareto front (protocol, section 7).

Pure functions on pandas frames whose columns are the fields of the row dataclasses. What is derived here is
never stored. Every ratio of a cost is the reference's value over the row's, so that above 1 is always better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from breakeven import cost
from breakeven.errors import UserError
from breakeven.record import InferenceRow, Row, Status, TrainingRow, arrow_schema, read_parquet

FILES: dict[type[Row], str] = {InferenceRow: "inference.parquet", TrainingRow: "training.parquet"}
REFERENCE = "fp32"  # the chain that the others of its board are compared with
SINGLE = "single_device"  # the training method that the others of its board are compared with
GATE = 0.99  # of the reference's quality: reached, the row is on the closed board
BADGE = 0.999
SAME = 0.02  # costs that differ by less are a tie (ours)
ROUNDING = 1e-12  # a quality of exactly the gate passes it

# Rows of one board are shown together, and ranked only where all of the key is equal. Seeds are boards of
# their own: ranks over seeds need an interval over seeds.
BOARD = ["task", "task_version", "hardware", "scenario", "batch_size", "seed", "protocol_version"]
KEY = [*BOARD, "dataset_sha256", "hardware_fingerprint", "threads"]
TRAINING_BOARD = ["task", "task_version", "seed", "protocol_version"]
TRAINING_KEY = [
    *TRAINING_BOARD,
    "dataset_sha256",
    "global_batch_size",
    "accelerator",
    "cpu_model",
    "gpu_model",
]


@dataclass(frozen=True)
class Cost:
    """Something to be ranked by."""

    label: str
    column: str
    ratio: str  # the column that sets it against the reference
    unit: str
    timed: bool = False  # its difference is real only where the intervals of the speed-ups say so

    def burden(self, rows: pd.DataFrame) -> pd.Series:
        """The cost, lower is better: for what is timed, relative to the reference it was timed beside."""
        return 1 / rows[self.ratio].astype(float) if self.timed else rows[self.column].astype(float)


COSTS = {
    "latency": Cost("Latency p50", "latency_p50_ms", "speedup", "ms", timed=True),
    "throughput": Cost("Throughput", "throughput_samples_per_s", "speedup", "samples/s", timed=True),
    "disk": Cost("Size on disk", "disk_bytes", "size_ratio", "bytes"),
    "memory": Cost("Memory above imports", "memory_above_baseline_bytes", "memory_ratio", "bytes"),
    "usd": Cost("US$ per million", "usd_per_million", "speedup", "US$", timed=True),
}
SPEEDUPS = ["speedup", "speedup_ci_high", "speedup_ci_low"]
BREAK_EVENS = ["break_even", "break_even_low", "break_even_high"]  # at one price, which then cancels out
SCENARIO_COST = {"single_stream": "latency", "offline": "throughput"}


def load(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The inference rows and the training rows of a results folder, with their ratios.

    One missing file gives an empty frame.

    Raises:
        UserError: neither file is there, or one is not ours.
    """
    if not any((results / name).exists() for name in FILES.values()):
        raise UserError(f"{results}: no results yet: run 'make run' or 'snakemake --cores all' to make some")
    return with_ratios(_read(results, InferenceRow)), with_scaling(_read(results, TrainingRow))


def _read(results: Path, row_type: type[Row]) -> pd.DataFrame:
    path = results / FILES[row_type]
    table = read_parquet(path, row_type) if path.exists() else arrow_schema(row_type).empty_table()
    return table.to_pandas()


def succeeded(rows: pd.DataFrame) -> pd.Series:
    """Where a cell ended well; the others are gaps with a reason."""
    return rows["status"] == Status.OK.value


def flagged(rows: pd.DataFrame, flag: str) -> pd.Series:
    """Where a yes-or-no field that may be unknown says yes."""
    return rows[flag].eq(True).fillna(False).astype(bool)


def with_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Inference rows with their US$, and with what sets them against their reference; NaN where unknown."""
    rows = rows.reset_index(drop=True).copy()
    rows["seconds_per_inference"] = cost.inference_seconds(
        rows["scenario"], rows["latency_mean_ms"], rows["throughput_samples_per_s"]
    )
    reference = reference_of(rows)
    known = reference["quality"].fillna(rows["reference_quality"])
    rows["quality_ratio"] = quality_ratio(rows["quality"], known, rows["higher_is_better"])
    for name in ("disk", "memory"):
        column = COSTS[name].column
        rows[COSTS[name].ratio] = reference[column].astype(float) / rows[column].astype(float)
    own = (rows["chain"] == REFERENCE) & succeeded(rows)
    for column in SPEEDUPS:
        rows[column] = rows[column].astype(float).mask(own, 1.0)
    rows["making_s"] = rows["compress_time_s"].astype(float) + rows["export_time_s"].astype(float)
    rows["reference_seconds_per_inference"] = reference["seconds_per_inference"]
    paired = reference["seconds_per_inference"].to_numpy(float) / rows["speedup"].to_numpy(float)
    rows["usd_per_million"] = cost.per_million(cost.work(paired, rows["usd_per_hour"]))
    for speedup, column in zip(SPEEDUPS, BREAK_EVENS, strict=True):
        rows[column] = break_even(rows, speedup).mask(own)
    return rows


def break_even(rows: pd.DataFrame, speedup: str = "speedup", making: float = 1.0, serving: float = 1.0) -> pd.Series:
    """N* of each row, at a price per hour of the hardware that compresses and of the one that serves.

    An inference costs the reference's cost over the speed-up paired in lockstep with it, so that a machine
    whose speed drifts between cells cannot make a method pay off. `making_s` includes the export.
    """
    c_0 = cost.work(rows["reference_seconds_per_inference"], serving)
    found = cost.break_even(cost.work(rows["making_s"], making), c_0, c_0 / rows[speedup].to_numpy(float))
    return pd.Series(found, index=rows.index)


def reference_of(rows: pd.DataFrame) -> pd.DataFrame:
    """For each row its reference in the same scenario, aligned; empty where that is missing or failed."""
    at = ["cell_id", "scenario", "batch_size"]
    references = rows[succeeded(rows)].drop_duplicates(at)
    wanted = rows[at].assign(
        cell_id=rows["reference_cell_id"].fillna(rows["cell_id"].where(rows["chain"] == REFERENCE))
    )
    return wanted.merge(references, how="left", on=at).set_axis(rows.index)


def quality_ratio(quality: pd.Series, reference: pd.Series, higher_is_better: pd.Series) -> pd.Series:
    """How much of the reference's quality is left; error metrics are inverted first."""
    kept = quality.astype(float) / reference.astype(float)
    return kept.where(higher_is_better.astype(bool), 1 / kept)


def rank(rows: pd.DataFrame, by: str = "latency", gate: float = GATE) -> pd.DataFrame:
    """The rows in order, with `board` (closed, open, gap), `badge` and `rank` (null where not ranked).

    Ranked are the rows of the closed board that were measured without foreign load, by the cost `by`.
    """
    chosen, rows = COSTS[by], rows.copy()
    rows["burden"] = chosen.burden(rows)
    rows["board"] = np.select(
        [~succeeded(rows), rows["quality_ratio"] >= gate - ROUNDING], ["gap", "closed"], default="open"
    )
    rows["badge"] = rows["quality_ratio"] >= BADGE - ROUNDING
    ranked = rows["board"].eq("closed") & ~flagged(rows, "contended") & rows["burden"].notna()
    rows["rank"] = _ranks(rows[ranked], KEY, chosen.timed).reindex(rows.index)
    order = rows["board"].map({"closed": 0, "open": 1, "gap": 2})
    return rows.assign(_order=order).sort_values(["_order", "rank", "burden", "chain"]).drop(columns="_order")


def _ranks(rows: pd.DataFrame, key: list[str], timed: bool) -> pd.Series:
    found = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    for _, group in rows.groupby(key, dropna=False, sort=False):
        low, high = (group[f"speedup_ci_{end}"].to_numpy(float) if timed else None for end in ("low", "high"))
        found[group.index] = shared_ranks(group["burden"].to_numpy(float), low, high)
    return found


def shared_ranks(burden: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> np.ndarray:
    """Ranks from 1, shared with the group's leader unless a row is more than 2 % costlier and, for timed
    costs, the intervals of the two speed-ups do not overlap.

    Args:
        burden: the cost, lower is better.
        low, high: 95 % interval of each row's speed-up; NaN where unknown, which separates nothing.
    """
    ranks = np.zeros(len(burden), dtype=int)
    leader = rank = 0
    for place, row in enumerate(np.argsort(burden, kind="stable"), start=1):
        apart = place > 1 and burden[row] > burden[leader] * (1 + SAME)
        if place == 1 or (apart and (low is None or high is None or low[leader] > high[row])):
            leader, rank = row, place
        ranks[row] = rank
    return ranks


def with_scaling(rows: pd.DataFrame) -> pd.DataFrame:
    """Training rows with US$, and with speed-up, scaling efficiency t(1) / (N · t(N)) and quality against the
    single-device run on the same kind of device, of the same threads per process; NaN where there is none."""
    rows = rows.reset_index(drop=True).copy()
    at = [*TRAINING_KEY, "threads"]
    single = rows["training_method"].eq(SINGLE) & succeeded(rows) & flagged(rows, "timed_alone")
    # Two single-device runs that the key cannot tell apart are no reference.
    references = rows[single].drop_duplicates(at, keep=False)[[*at, "train_time_s", "quality", "contended"]]
    references["train_time_s"] = references["train_time_s"].mask(flagged(references, "contended"))
    reference = rows[at].merge(references, how="left", on=at).set_axis(rows.index)
    rows["train_usd"] = cost.work(rows["train_time_s"], rows["usd_per_hour"])
    rows["speedup"] = reference["train_time_s"].astype(float) / rows["train_time_s"].astype(float)
    rows["scaling_efficiency"] = rows["speedup"] / rows["world_size"].astype(float)
    rows["quality_ratio"] = quality_ratio(rows["quality"], reference["quality"], rows["higher_is_better"])
    return rows


def rank_trainings(rows: pd.DataFrame, gate: float = GATE) -> pd.DataFrame:
    """The training rows in order, with `board` and `rank`: by training time, among those timed alone, without
    foreign load, whose quality lies within 1 % of the single-device run's."""
    rows = rows.copy()
    rows["burden"] = rows["train_time_s"].astype(float)
    passed = rows["quality_ratio"] >= gate - ROUNDING
    rows["board"] = np.select([~succeeded(rows), passed], ["gap", "closed"], default="open")
    timed = flagged(rows, "timed_alone") & ~flagged(rows, "contended")
    ranked = rows["board"].eq("closed") & timed & rows["burden"].notna()
    rows["rank"] = _ranks(rows[ranked], TRAINING_KEY, timed=False).reindex(rows.index)
    return rows.sort_values([*TRAINING_BOARD, "rank", "burden", "training"])


def boards(rows: pd.DataFrame, by: list[str] | None = None) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Each board with what its rows share, in order."""
    names = by or BOARD
    for values, group in rows.groupby(names, dropna=False):
        yield dict(zip(names, values, strict=True)), group


def pareto_front(quality: pd.Series, burden: pd.Series) -> pd.Series:
    """Where no other row is as good in both, quality (higher) and burden (lower), and better in one."""
    q, b = quality.to_numpy(float), burden.to_numpy(float)
    known = np.isfinite(q) & np.isfinite(b)
    no_worse = (q[:, None] >= q) & (b[:, None] <= b)
    better = (q[:, None] > q) | (b[:, None] < b)
    beaten = (no_worse & better & known[:, None]).any(axis=0)
    return pd.Series(known & ~beaten, index=quality.index)
