"""The rules for the figures of a row, by this version of the protocol."""

from __future__ import annotations

import numpy as np
import pandas as pd

from breakeven.errors import Status
from breakeven.protocol import (
    ESTIMATE,
    NONE,
    NVML,
    PROTOCOL_VERSION,
    RAPL,
    REFERENCE,
    SCHEMA_VERSION,
    UNSTABLE_CV,
    is_contended,
)
from breakeven.rows import InferenceRow, Row, TrainingRow
from breakeven.scoring.ratios import ENERGY_INTERVAL, SCENARIO_COST, SPEEDUP_INTERVAL, flagged, succeeded
from breakeven.statistics import calls_needed
from breakeven.trust.rule_kinds import (
    AGAIN,
    TOLERANCE,
    Rule,
    equal,
    floats,
    is_json,
    matches,
    needed,
    not_negative,
    one_of,
    ordered,
    positive,
    present,
    ratio,
    text,
    together,
)

OR_NULL = f"{AGAIN}, or write null"
PROFILE = "state it in the hardware profile, and collect again"
SHA256, DIGEST = "[0-9a-f]{64}", "[0-9a-f]{16}"
NAME = r"[A-Za-z_]\w*"
UNIT = rf"{NAME}(-{NAME}=[A-Za-z0-9_.-]+)*"  # `magnitude_pruning-sparsity=0.8`
PLACE = r"[^@/\s]+"
UTC_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)"
LIKE_TIME = "a time in UTC, such as 2026-11-25T08:07:21.480+00:00"


def _by_protocol(rows: pd.DataFrame) -> pd.Series:
    """Select the rows to which the thresholds of this version of the protocol apply."""
    return rows["protocol_version"] == PROTOCOL_VERSION


def _wrong_contended(rows: pd.DataFrame) -> pd.Series:
    load, cores = floats(rows, "foreign_load_percent", "cores")
    known = load.notna() & cores.notna() & _by_protocol(rows)
    differs = rows["contended"].isna() | (flagged(rows, "contended") != is_contended(load, cores))
    return (known & differs) | (load.isna() & rows["contended"].notna())


def _wrong_unstable(rows: pd.DataFrame) -> pd.Series:
    (spread,) = floats(rows, "speedup_cv")
    return spread.notna() & (flagged(rows, "unstable") != (spread > UNSTABLE_CV)) & _by_protocol(rows)


def _without_reason(rows: pd.DataFrame) -> pd.Series:
    return ~succeeded(rows) & text(rows, "reason").fillna("").str.strip().eq("")


def _ends_before_it_starts(rows: pd.DataFrame) -> pd.Series:
    started, finished = (
        pd.to_datetime(text(rows, name), format="ISO8601", utc=True, errors="coerce")
        for name in ("started_at", "finished_at")
    )
    return started > finished


def _energy(*names: str) -> list[Rule]:
    """An energy is known only where it was counted or estimated."""

    def rule(name: str) -> Rule:
        def broken(rows: pd.DataFrame) -> pd.Series:
            return rows[name].notna() & (rows["energy_method"].isna() | rows["energy_method"].eq(NONE))

        return Rule(name, broken, f"is {{{name}:g}}, though energy_method is {{energy_method}}", OR_NULL)

    return [rule(name) for name in names]


def _percentile(name: str, percentile: float) -> Rule:
    """A percentile is known only with as many calls as all processes need together: with fewer, one has too few."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        calls, processes = floats(rows, "timed_calls", "processes")
        return rows[name].notna() & ~(calls >= processes * calls_needed(percentile)) & _by_protocol(rows)

    problem = f"is {{{name}:g}}, from {{timed_calls:g}} calls in {{processes:g}} processes: too few for a percentile"
    return Rule(name, broken, problem, OR_NULL)


def _calls_s(rows: pd.DataFrame) -> pd.Series:
    calls, mean_ms = floats(rows, "timed_calls", "latency_mean_ms")
    return calls * mean_ms / 1e3


def _rate(rows: pd.DataFrame) -> pd.Series:
    batch, calls, seconds = floats(rows, "batch_size", "timed_calls", "timed_s")
    return batch * calls / seconds


def _target_after_end(rows: pd.DataFrame) -> pd.Series:
    target, end = floats(rows, "time_to_target_s", "train_time_s")
    return np.isfinite(target) & (target > end * (1 + TOLERANCE))


def _counted_in_company(rows: pd.DataFrame) -> pd.Series:
    counted = rows["train_energy_j"].notna() & rows["energy_method"].ne(ESTIMATE)
    return counted & ~flagged(rows, "timed_alone")


# `memory_above_baseline_bytes` may be below 0: a process that shares pages with its parent can hold less than it.
SHARED = [
    Rule("schema_version", lambda rows: rows["schema_version"] != SCHEMA_VERSION, f"is not {SCHEMA_VERSION}"),
    one_of("status", [status.value for status in Status]),
    Rule("reason", lambda rows: succeeded(rows) & rows["reason"].notna(), "is given, the status is ok"),
    Rule("reason", _without_reason, "is missing, the status is {status}"),
    *present("dataset_sha256", "hardware_fingerprint", "quality", "n_eval", "parameters", "peak_memory_bytes"),
    *present("foreign_load_percent", "contended", "cpu_model", "cores", "started_at", "finished_at"),
    *positive("protocol_version", "task_version", "threads", "attempt", "n_eval", "peak_memory_bytes", "watts"),
    *positive("cores", "threads_allowed", "ram_bytes", "cgroup_cpu_limit", "cgroup_memory_limit_bytes", "gpu_count"),
    *not_negative("seed", "parameters", "load_before", "load_after", "foreign_load_percent", "usd_per_hour"),
    *ratio("quality", "quality_ci_low", "quality_ci_high"),
    *ordered("quality_ci_low", "quality", "quality_ci_high"),
    together("quality_ci_low", "quality_ci_high"),
    *ordered("memory_above_baseline_bytes", "peak_memory_bytes"),
    Rule("contended", _wrong_contended, "is {contended} at {foreign_load_percent:g} % foreign load of {cores} cores"),
    one_of("energy_method", [RAPL, NVML, ESTIMATE, NONE]),
    needed("watts", lambda rows: rows["energy_method"].eq(ESTIMATE), "is missing, the energy is estimated", PROFILE),
    needed("price_source", lambda rows: rows["usd_per_hour"].notna(), "is missing, there is a price", PROFILE),
    needed("price_date", lambda rows: rows["usd_per_hour"].notna(), "is missing, there is a price", PROFILE),
    matches("price_date", r"\d{4}-\d\d-\d\d", "a day, such as 2026-11-23", PROFILE),
    needed("gpu_model", lambda rows: succeeded(rows) & rows["accelerator"].eq("cuda"), "is missing, it ran on CUDA"),
    *(matches(name, SHA256, "a sha256") for name in ("dataset_sha256", "lock_sha256", "config_sha256")),
    *(matches(name, DIGEST, "16 hexadecimal digits") for name in ("cell_id", "hardware_fingerprint")),
    matches("git_commit", "[0-9a-f]{40}|[0-9a-f]{64}", "a commit's full hash"),
    matches("task", UNIT, "a task, its parameters as -name=value"),
    matches("trained_as", f"{UNIT}@{PLACE}", "method@hardware"),
    matches("hardware", PLACE, "the name of a profile"),
    *(matches(name, r"\S.*", "a name") for name in ("split", "metric", "metric_unit")),
    one_of("accelerator", ["cpu", "cuda"]),
    *(matches(name, UTC_TIME, LIKE_TIME) for name in ("started_at", "finished_at")),
    Rule("started_at", _ends_before_it_starts, "is {started_at}, after finished_at, {finished_at}"),
    *(is_json(name) for name in ("libraries", "method_params", "other_metrics")),
]
LENGTHS = ("length_p10", "length_p50", "length_p90", "length_max")
PERCENTILES = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9, "latency_p99_ms": 0.99}
INFERENCE = [
    *present("artifact_sha256", "reference_cell_id", "disk_bytes", "packed_bytes", "compress_time_s", "export_time_s"),
    *present("timed_calls", "timed_s", "processes", "latency_mean_ms", "latency_p50_ms", "speedup"),
    *present("throughput_samples_per_s"),
    *positive("batch_size", "timed_calls", "timed_s", "processes", "disk_bytes", "train_time_s", "latency_mean_ms"),
    *positive(*PERCENTILES, *(f"reference_{name}" for name in PERCENTILES), "throughput_samples_per_s"),
    *positive("speedup", *SPEEDUP_INTERVAL, "energy_gain", *ENERGY_INTERVAL),
    *positive("packed_bytes", "energy_j_per_sample", "reference_energy_j_per_sample"),
    *not_negative("nonzero_parameters", "flops", "nonzero_flops", "compress_time_s", "export_time_s", "load_time_s"),
    *not_negative("making_foreign_load_percent", "warmup_calls", "latency_cv", "speedup_cv"),
    *not_negative("cuda_allocated_bytes", "cuda_reserved_bytes", "quality_kept_ci_low", "quality_kept_ci_high"),
    *ratio("reference_quality"),
    *ordered("quality_kept_ci_low", "quality_kept_ci_high"),
    together("quality_kept_ci_low", "quality_kept_ci_high"),
    *ordered("speedup_ci_low", "speedup", "speedup_ci_high"),
    together(*SPEEDUP_INTERVAL),
    *ordered("energy_gain_ci_low", "energy_gain", "energy_gain_ci_high"),
    together(*ENERGY_INTERVAL),
    *ordered(*PERCENTILES),
    *positive(*LENGTHS),
    *ordered(*LENGTHS),
    *(together("length_unit", name) for name in LENGTHS),
    *ordered(*(f"reference_{name}" for name in PERCENTILES)),
    *(_percentile(name, percentile) for name, percentile in PERCENTILES.items()),
    *ordered("nonzero_parameters", "parameters"),
    *ordered("nonzero_flops", "flops"),
    equal("timed_s", _calls_s, "timed_calls times latency_mean_ms"),
    equal("throughput_samples_per_s", _rate, "batch_size times timed_calls over timed_s"),
    Rule("unstable", _wrong_unstable, "is {unstable} at a speedup_cv of {speedup_cv:g}"),
    *_energy("energy_j_per_sample", "reference_energy_j_per_sample", "energy_gain"),
    *(matches(name, SHA256, "a sha256") for name in ("artifact_sha256", "outputs_sha256")),
    matches("reference_cell_id", DIGEST, "16 hexadecimal digits"),
    Rule(
        "reference_cell_id",
        lambda rows: rows["chain"].eq(REFERENCE) & rows["reference_cell_id"].notna()
        & rows["reference_cell_id"].ne(rows["cell_id"]),
        "is another cell, though this one is the reference",
    ),
    *(matches(name, rf"{UNIT}(\+{UNIT})*", "steps joined by +") for name in ("chain", "method")),
    matches("runtime", UNIT, "a runtime"),
    one_of("scenario", SCENARIO_COST),
    one_of("mode", ["brief", "quick", "full"]),
]  # fmt: skip
TRAINING = [
    *present("train_time_s", "time_to_target_s", "steps", "world_size", "samples_per_s"),
    *positive("epochs", "global_batch_size", "steps", "world_size", "train_time_s", "time_to_target_s"),
    *positive("samples_per_s", "network_mbit", "resumed_parts"),
    *not_negative("train_energy_j", "communicated_bytes", "rank_memory_above_baseline_bytes"),
    *ordered("rank_memory_above_baseline_bytes", "peak_memory_bytes"),
    Rule("time_to_target_s", _target_after_end, "is {time_to_target_s:g}, after the end, {train_time_s:g}"),
    *_energy("train_energy_j"),
    Rule("train_energy_j", _counted_in_company, "was counted while others ran beside it", OR_NULL),
    matches("training_method", UNIT, "a training method"),
    Rule(
        "trained_as",
        lambda rows: rows["trained_as"].ne(rows["training_method"] + "@" + rows["hardware"]),
        "is {trained_as}, which is not {training_method}@{hardware}",
    ),
]
OWN: dict[type[Row], list[Rule]] = {InferenceRow: INFERENCE, TrainingRow: TRAINING}
