"""Ratios of each row to its reference, and to fp32 in the row's own runtime (protocol, section 7).

Pure functions on pandas frames whose columns are the fields of the row dataclasses. Derived columns are never stored.
Every ratio of a cost is the reference's value over the row's, so above 1 is always better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from breakeven import statistics
from breakeven.errors import Status
from breakeven.protocol import REFERENCE, REFERENCE_RUNTIME, SINGLE_DEVICE
from breakeven.rows import InferenceRow, Meaning, Row, TrainingRow
from breakeven.scoring import cost

# Rows of one board are shown together. Only rows with an equal key are ranked together. Each seed has its own board,
# because ranks over seeds would need an interval over seeds.
BOARD = ["task", "task_version", "hardware", "scenario", "batch_size", "seed", "protocol_version"]
KEY = [*BOARD, "dataset_sha256", "split", "hardware_fingerprint", "threads"]
SIZES = {"disk_bytes": "compression_size_ratio", "packed_bytes": "compression_packed_ratio"}
SAME_RUNTIME = [*KEY, "trained_as", "runtime"]  # equal in a row and its uncompressed model
TRAINING_BOARD = ["task", "task_version", "seed", "protocol_version"]
TRAINING_KEY = [
    *TRAINING_BOARD,
    "dataset_sha256",
    "split",
    "global_batch_size",
    "accelerator",
    # The properties of a machine that matter to speed. Its fingerprint would separate profiles, too.
    *("cpu_model", "cores", "cgroup_cpu_limit", "governor", "turbo", "gpu_model", "gpu_driver"),
]


@dataclass(frozen=True)
class Cost:
    """A cost that rows can be ranked by."""

    label: str
    column: str
    ratio: str  # the column with its ratio to the reference
    unit: str
    interval: tuple[str, str] | None = None  # columns of the ratio's interval, which separates two rows
    per: str | None = None  # a column that must be equal for two rows to be ranked together

    def burden(self, rows: pd.DataFrame) -> pd.Series:
        """The cost, lower is better. A paired cost is relative to the reference that it was paired with."""
        return 1 / rows[self.ratio].astype(float) if self.interval else rows[self.column].astype(float)


SPEEDUPS = ["speedup", "speedup_ci_high", "speedup_ci_low"]
SPEEDUP_INTERVAL = ("speedup_ci_low", "speedup_ci_high")
COMPRESSION_INTERVAL = ("compression_speedup_ci_low", "compression_speedup_ci_high")
ENERGY_INTERVAL = ("energy_gain_ci_low", "energy_gain_ci_high")
COSTS = {
    "latency": Cost("Latency p50", "latency_p50_ms", "speedup", "ms", SPEEDUP_INTERVAL),
    "throughput": Cost("Throughput", "throughput_samples_per_s", "speedup", "samples/s", SPEEDUP_INTERVAL),
    "disk": Cost("Size on disk", "disk_bytes", "size_ratio", "bytes"),
    "packed": Cost("Size packed", "packed_bytes", "packed_ratio", "bytes"),
    "memory": Cost("Memory above imports", "memory_above_baseline_bytes", "memory_ratio", "bytes"),
    "arithmetic": Cost("Arithmetic", "nonzero_flops", "theoretical_speedup", "FLOP"),
    "energy": Cost("Energy per sample", "energy_j_per_sample", "energy_gain", "J", ENERGY_INTERVAL, "energy_method"),
    "usd": Cost("US$ per million", "usd_per_million", "speedup", "US$", SPEEDUP_INTERVAL),
}
BREAK_EVENS = ["break_even", "break_even_low", "break_even_high"]  # at equal prices, which cancel out
SCENARIO_COST = {"single_stream": "latency", "offline": "throughput"}

NO_REFERENCE = "the reference failed or is missing"
NOT_IN_RUNTIME = "the uncompressed model was not measured in this runtime"
UNPAID = "the profile states no price, or a time is unknown"
NOTHING_TO_PAY = "the row is the reference, or an input is unknown"
QUALITY_RATIO = "Quality over the reference's; for error metrics the inverse, so that above 1 is better."
# Columns that are computed from the rows of a board and never stored. Ratios are the reference's value over the row's.
DERIVED: dict[type[Row], dict[str, Meaning]] = {
    InferenceRow: {
        "seconds_per_inference": Meaning("`latency_mean_ms`, or offline 1 / `throughput_samples_per_s`.", "s"),
        "reference_seconds_per_inference": Meaning("The same of the reference.", "s", NO_REFERENCE),
        "quality_ratio": Meaning(QUALITY_RATIO, null=NO_REFERENCE),
        "size_ratio": Meaning("Ratio of `disk_bytes`.", null=NO_REFERENCE),
        "packed_ratio": Meaning("Ratio of `packed_bytes`.", null=NO_REFERENCE),
        "memory_ratio": Meaning("Ratio of `memory_above_baseline_bytes`.", null=NO_REFERENCE),
        "theoretical_speedup": Meaning("The reference's `flops` over the row's `nonzero_flops`.", null=NO_REFERENCE),
        "compression_ratio": Meaning("Ratio of `nonzero_parameters`.", null=NO_REFERENCE),
        "runtime_speedup": Meaning("`speedup` of the uncompressed model in the row's runtime.", null=NOT_IN_RUNTIME),
        "compression_speedup": Meaning("`speedup` over `runtime_speedup`.", null=NOT_IN_RUNTIME),
        "compression_speedup_ci_low": Meaning("Lower end of its 95 % interval (Cochran's).", null=NOT_IN_RUNTIME),
        "compression_speedup_ci_high": Meaning("Upper end of that interval.", null=NOT_IN_RUNTIME),
        "compression_size_ratio": Meaning("Ratio of `disk_bytes` within the row's runtime.", null=NOT_IN_RUNTIME),
        "compression_packed_ratio": Meaning("Ratio of `packed_bytes` within the row's runtime.", null=NOT_IN_RUNTIME),
        "verified": Meaning("Another kind of machine measured the same cell, with a speed-up within this interval."),
        "making_s": Meaning("`compress_time_s` + `export_time_s`.", "s"),
        "usd_per_million": Meaning("Price of a million inferences, from the paired speed-up.", "US$", UNPAID),
        "break_even": Meaning(
            "Inferences after which compressing has paid for itself (docs/cost.md).", null=NOTHING_TO_PAY
        ),
        "break_even_low": Meaning("The same at `speedup_ci_high`.", null=NOTHING_TO_PAY),
        "break_even_high": Meaning("The same at `speedup_ci_low`.", null=NOTHING_TO_PAY),
    },
    TrainingRow: {
        "train_usd": Meaning("Price of `train_time_s` on the profile.", "US$", UNPAID),
        "speedup": Meaning("`train_time_s` of the single-device run over the row's.", null="there is no such run"),
        "scaling_efficiency": Meaning("`speedup` over `world_size`.", null="there is no single-device run"),
        "quality_ratio": Meaning(QUALITY_RATIO, null="there is no single-device run"),
    },
}


def succeeded(rows: pd.DataFrame) -> pd.Series:
    """Select the rows of successful cells. The other rows are gaps with a reason."""
    return rows["status"] == Status.OK.value


def flagged(rows: pd.DataFrame, flag: str) -> pd.Series:
    """Select the rows whose flag is true; an unknown flag is not."""
    return rows[flag].eq(True).fillna(False).astype(bool)


def with_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Inference rows with the columns of `DERIVED`; NaN where unknown."""
    rows = rows.reset_index(drop=True).copy()
    rows["seconds_per_inference"] = cost.inference_seconds(
        rows["scenario"], rows["latency_mean_ms"], rows["throughput_samples_per_s"]
    )
    reference = reference_of(rows)
    known = reference["quality"].fillna(rows["reference_quality"])
    rows["quality_ratio"] = quality_ratio(rows["quality"], known, rows["higher_is_better"])
    for name in ("disk", "packed", "memory", "arithmetic"):
        counted, ratio = COSTS[name].column, COSTS[name].ratio
        whole = "flops" if name == "arithmetic" else counted  # the reference's count includes zero weights
        rows[ratio] = reference[whole].astype(float) / rows[counted].astype(float)
    rows["compression_ratio"] = reference["nonzero_parameters"].astype(float) / rows["nonzero_parameters"].astype(float)
    own = (rows["chain"] == REFERENCE) & succeeded(rows)
    for column in (*SPEEDUPS, "energy_gain", *ENERGY_INTERVAL):
        rows[column] = rows[column].astype(float).mask(own & rows[column].notna(), 1.0)
    rows = rows.assign(**in_own_runtime(rows))
    rows["verified"] = verified(rows)
    rows["making_s"] = rows["compress_time_s"].astype(float) + rows["export_time_s"].astype(float)
    rows["reference_seconds_per_inference"] = reference["seconds_per_inference"]
    paired = reference["seconds_per_inference"].to_numpy(float) / rows["speedup"].to_numpy(float)
    rows["usd_per_million"] = cost.per_million(cost.work(paired, rows["usd_per_hour"]))
    for speedup, column in zip(SPEEDUPS, BREAK_EVENS, strict=True):
        rows[column] = break_even(rows, speedup).mask(own)
    return rows


def break_even(rows: pd.DataFrame, speedup: str = "speedup", making: float = 1.0, serving: float = 1.0) -> pd.Series:
    """N* of each row, at the prices per hour of the hardware that compresses (`making`) and serves (`serving`).

    The cost of an inference is the reference's cost over the paired speed-up. So a machine whose speed drifts between
    cells cannot make a method pay off. `making_s` includes the export.
    """
    c_0 = cost.work(rows["reference_seconds_per_inference"], serving)
    n_star = cost.break_even(cost.work(rows["making_s"], making), c_0, c_0 / rows[speedup].to_numpy(float))
    return pd.Series(n_star, index=rows.index)


def reference_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The reference of each row in the same scenario, aligned; empty where it is missing or failed."""
    at = ["cell_id", "scenario", "batch_size", "hardware_fingerprint", "protocol_version"]
    references = rows[succeeded(rows)].drop_duplicates(at)
    wanted = rows[at].assign(
        cell_id=rows["reference_cell_id"].fillna(rows["cell_id"].where(rows["chain"] == REFERENCE))
    )
    return wanted.merge(references, how="left", on=at).set_axis(rows.index)


def in_own_runtime(rows: pd.DataFrame) -> pd.DataFrame:
    """The speed-up that the runtime gives, and the speed-up that the compression adds to it.

    `runtime_speedup` is the speed-up of the uncompressed model in the row's own runtime, on the same machine and
    scenario. `compression_speedup` is the row's speed-up over it, so the product of the two is the speed-up. In eager
    PyTorch the first is 1 by definition, and the second is the speed-up with its interval. `compression_size_ratio` and
    `compression_packed_ratio` compare the files in the same way, because each runtime has its own file format. All are
    NaN where the uncompressed model's cell in the runtime is missing, failed or contended, or where there are several.

    The two speed-ups come from different processes, each paired with its own reference, so they are independent
    estimates. On the logarithms, their ratio is a difference. Its 95 % interval is the one that tells two rows of a
    board apart (`statistics.margin`).
    """
    alone = rows["method"].eq(REFERENCE)
    usable = alone & succeeded(rows) & ~flagged(rows, "contended")
    columns = [*SAME_RUNTIME, *SPEEDUPS, "processes", *SIZES]
    uncompressed = rows[usable].drop_duplicates(SAME_RUNTIME, keep=False)[columns]
    own = rows[SAME_RUNTIME].merge(uncompressed, how="left", on=SAME_RUNTIME).set_axis(rows.index)
    eager = rows["runtime"].eq(REFERENCE_RUNTIME)
    gain, low, high = (rows[name].astype(float) for name in ("speedup", *SPEEDUP_INTERVAL))
    sizes = {ratio: own[of].astype(float) / rows[of].astype(float) for of, ratio in SIZES.items()}
    runtime = own["speedup"].astype(float).mask(eager, 1.0)
    ratio = gain / runtime
    half = statistics.margin(*_log_error(rows), *_log_error(own))
    exact = alone & ratio.notna()  # a chain without compression adds nothing
    return pd.DataFrame(
        {
            "runtime_speedup": runtime.where(succeeded(rows)),
            "compression_speedup": ratio.mask(exact, 1.0),
            COMPRESSION_INTERVAL[0]: (ratio * np.exp(-half)).mask(eager, low).mask(exact, 1.0),
            COMPRESSION_INTERVAL[1]: (ratio * np.exp(half)).mask(eager, high).mask(exact, 1.0),
            **sizes,
        }
    )


def _log_error(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The standard errors of the speed-ups' logarithms, and Student's quantile for each."""
    low, high, n = (rows[name].to_numpy(float, na_value=np.nan) for name in (*SPEEDUP_INTERVAL, "processes"))
    return statistics.standard_error(low, high, n), statistics.student(n)


def quality_ratio(quality: pd.Series, reference: pd.Series, higher_is_better: pd.Series) -> pd.Series:
    """The share of the reference's quality that is kept; error metrics are inverted first."""
    kept = quality.astype(float) / reference.astype(float)
    return kept.where(higher_is_better.astype(bool), 1 / kept)


def verified(rows: pd.DataFrame) -> pd.Series:
    """Select the rows whose interval holds the speed-up of the same cell on a machine of another fingerprint."""
    at = ["cell_id", "scenario", "batch_size", "protocol_version"]
    columns = [*at, "hardware_fingerprint", "speedup"]
    good = rows[succeeded(rows)]
    pairs = good[[*columns, *SPEEDUP_INTERVAL]].reset_index().merge(good[columns], on=at, suffixes=("", "_there"))
    elsewhere = pairs["hardware_fingerprint"] != pairs["hardware_fingerprint_there"]
    within = pairs["speedup_there"].between(pairs["speedup_ci_low"], pairs["speedup_ci_high"])
    reference = rows["chain"].eq(REFERENCE)  # it is timed beside itself, so its speed-up is no result
    return pd.Series(rows.index.isin(pairs.loc[elsewhere & within, "index"]), index=rows.index) & ~reference


def with_scaling(rows: pd.DataFrame) -> pd.DataFrame:
    """Training rows with the columns of `DERIVED`; NaN where unknown.

    Rows are compared with the single-device run on the same kind of device, with as many threads per process. The
    scaling efficiency is t(1) / (N · t(N)).
    """
    rows = rows.reset_index(drop=True).copy()
    at = [*TRAINING_KEY, "threads"]
    single = rows["training_method"].eq(SINGLE_DEVICE) & succeeded(rows) & flagged(rows, "timed_alone")
    # Two single-device runs that the key cannot tell apart are no reference.
    references = rows[single].drop_duplicates(at, keep=False)[[*at, "train_time_s", "quality", "contended"]]
    references["train_time_s"] = references["train_time_s"].mask(flagged(references, "contended"))
    reference = rows[at].merge(references, how="left", on=at).set_axis(rows.index)
    rows["train_usd"] = cost.work(rows["train_time_s"], rows["usd_per_hour"])
    rows["speedup"] = reference["train_time_s"].astype(float) / rows["train_time_s"].astype(float)
    rows["scaling_efficiency"] = rows["speedup"] / rows["world_size"].astype(float)
    rows["quality_ratio"] = quality_ratio(rows["quality"], reference["quality"], rows["higher_is_better"])
    return rows
