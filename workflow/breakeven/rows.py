"""The rows of the two boards: one dataclass each, from which the Arrow schema, the JSON and the Parquet follow."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from breakeven.errors import Status, UserError
from breakeven.files import aside
from breakeven.protocol import PROTOCOL_VERSION, SCHEMA_VERSION


@dataclass(kw_only=True)
class Provenance:
    """Read on the machine that does the work."""

    cpu_model: str | None = None
    cores: int | None = None  # of the machine
    threads_allowed: int | None = None  # cores this process may use
    ram_bytes: int | None = None
    cgroup_cpu_limit: float | None = None  # cores
    cgroup_memory_limit_bytes: int | None = None
    gpu_model: str | None = None
    gpu_driver: str | None = None
    gpu_count: int | None = None
    kernel: str | None = None
    governor: str | None = None
    turbo: bool | None = None
    virtualised: bool | None = None
    load_before: float | None = None  # one-minute load average
    load_after: float | None = None
    python: str | None = None
    torch: str | None = None
    lock_sha256: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    libraries: str | None = None  # JSON: versions of what may have run in the job
    config_sha256: str | None = None  # of the grid's config; null where the job was run by hand
    executor: str | None = None
    job_id: str | None = None
    started_at: str | None = None  # ISO 8601, UTC
    finished_at: str | None = None


@dataclass(kw_only=True)
class Row(Provenance):
    """What the rows of both boards share: identity, status and quality."""

    schema_version: int = SCHEMA_VERSION
    protocol_version: int = PROTOCOL_VERSION
    cell_id: str  # hash of what identifies the cell
    task: str
    task_version: int
    dataset_sha256: str | None = None
    split: str = "test"  # of the data: what quality is evaluated on and inputs are drawn from
    training: str  # method@hardware of the training
    hardware: str
    hardware_fingerprint: str | None = None
    accelerator: str  # of the profile: cpu or cuda
    threads: int  # of the profile, per process
    seed: int
    status: Status = Status.OK
    reason: str | None = None
    attempt: int = 1  # more where the infrastructure failed
    metric: str
    metric_unit: str
    higher_is_better: bool
    quality: float | None = None
    quality_ci_low: float | None = None  # 95 %, over test samples
    quality_ci_high: float | None = None
    n_eval: int | None = None  # test samples
    other_metrics: str | None = None  # JSON: further metrics by name, not ranked
    parameters: int | None = None
    peak_memory_bytes: int | None = None
    memory_above_baseline_bytes: int | None = None  # above the level after imports
    foreign_load_percent: float | None = None  # of the machine, by others, while timed
    contended: bool | None = None  # too much of it: shown, not ranked
    energy_method: str | None = None  # rapl, nvml, tdp_estimate or none
    watts: float | None = None  # what the estimate takes the profile to draw, from its file
    usd_per_hour: float | None = None
    price_source: str | None = None
    price_date: str | None = None


@dataclass(kw_only=True)
class TrainingRow(Row):
    """One cell of the training board."""

    training_method: str
    method_params: str  # JSON
    timed_alone: bool  # False: trained beside other jobs, its times enter no ranking
    epochs: int | None = None
    global_batch_size: int | None = None
    steps: int | None = None
    world_size: int | None = None
    network_mbit: float | None = None  # of the link between processes, where the profile throttles it
    communicated_bytes: int | None = None  # sent by all processes on the training clock, where they can be counted
    rank_memory_above_baseline_bytes: int | None = None  # of the process that held most
    train_time_s: float | None = None  # evaluation and start-up are off this clock
    resumed_parts: int | None = None  # that add up to it: 1 where nothing interrupted the training
    time_to_target_s: float | None = None  # infinite where the target was not reached
    quality_target: float | None = None
    samples_per_s: float | None = None
    train_energy_j: float | None = None  # null where others ran beside it, or unknown


@dataclass(kw_only=True)
class InferenceRow(Row):
    """One cell of the inference board in one scenario."""

    method: str  # the chain without its runtime
    method_params: str  # JSON: a list of steps with all their parameters
    chain: str
    runtime: str
    runtime_version: str | None = None
    precision: str | None = None
    scenario: str  # single_stream or offline
    batch_size: int
    mode: str  # brief, quick or full
    length_unit: str | None = None  # of the inputs, where samples differ in length
    length_p10: float | None = None  # of the samples that inputs are drawn from
    length_p50: float | None = None
    length_p90: float | None = None
    length_max: float | None = None
    artifact_sha256: str | None = None
    outputs_sha256: str | None = None  # of the evaluation's outputs that the timed process gave again
    reference_cell_id: str | None = None
    reference_quality: float | None = None
    quality_kept_ci_low: float | None = None  # 95 %, of the share of the reference's quality, paired by test sample
    quality_kept_ci_high: float | None = None
    nonzero_parameters: int | None = None
    flops: int | None = None  # of one sample, as long as any: 2 per multiply-add, as if in float32 and dense
    nonzero_flops: int | None = None  # without those of weights that are zero
    disk_bytes: int | None = None  # of the file a user would ship
    packed_bytes: int | None = None  # of that file packed by zstd, as one would send it
    train_time_s: float | None = None  # of the model the chain starts from
    compress_time_s: float | None = None  # over all steps of the chain
    export_time_s: float | None = None
    making_foreign_load_percent: float | None = None  # of the machine, by others, while compressing or exporting
    load_time_s: float | None = None
    warmup_calls: int | None = None
    timed_calls: int | None = None
    timed_s: float | None = None
    processes: int | None = None  # fresh pairs of processes
    latency_mean_ms: float | None = None
    latency_p50_ms: float | None = None  # median over processes of the per-process estimate
    latency_p90_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_cv: float | None = None
    reference_latency_p50_ms: float | None = None
    reference_latency_p90_ms: float | None = None
    reference_latency_p99_ms: float | None = None
    speedup: float | None = None  # paired, burst by burst: the reference's time over this cell's
    speedup_ci_low: float | None = None  # 95 %
    speedup_ci_high: float | None = None
    speedup_cv: float | None = None  # between processes
    throughput_samples_per_s: float | None = None
    cuda_allocated_bytes: int | None = None  # peak
    cuda_reserved_bytes: int | None = None
    energy_j_per_sample: float | None = None  # in the windows of the latencies
    reference_energy_j_per_sample: float | None = None
    energy_gain: float | None = None  # paired: the reference's energy over this cell's
    energy_gain_ci_low: float | None = None  # 95 %
    energy_gain_ci_high: float | None = None
    unstable: bool | None = None  # the ratio differs between processes


R = TypeVar("R", bound=Row)


def arrow_schema(row_type: type[Row]) -> pa.Schema:
    """The schema of a board's Parquet file; `kind` and `schema_version` mark it as ours."""
    hints = typing.get_type_hints(row_type)
    columns = [pa.field(f.name, _arrow_type(hints[f.name]), _optional(hints[f.name])) for f in fields(row_type)]
    return pa.schema(columns, {"breakeven.kind": row_type.__name__, "breakeven.schema_version": str(SCHEMA_VERSION)})


def write_parquet(rows: Iterable[R], row_type: type[R], path: Path) -> None:
    """Write a board: aside, then renamed."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=arrow_schema(row_type))
    with aside(path) as temporary:
        pq.write_table(table, temporary)


def read_parquet(path: Path, row_type: type[R]) -> pa.Table:
    """The table of a board.

    Raises:
        UserError: missing, not Parquet, or not this version of ours.
    """
    if not path.exists():
        raise UserError(f"{path}: no results yet: run 'make run' or 'snakemake --cores all' to make some")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({str(error).splitlines()[0]}): name a board's file") from error
    schema = arrow_schema(row_type)
    if (table.schema.metadata or {}).get(b"breakeven.kind") != row_type.__name__.encode():
        raise UserError(f"{path}: not a file of {row_type.__name__}s made by Breakeven: name another, or move it away")
    if not table.schema.equals(schema, check_metadata=True):
        version = table.schema.metadata.get(b"breakeven.schema_version", b"?").decode()
        how = (
            f"has schema {version}, this is {SCHEMA_VERSION}" if version != str(SCHEMA_VERSION) else "has other columns"
        )
        raise UserError(f"{path}: {how}: it was written by another version; run its grid again")
    return table


def read_rows(path: Path, row_type: type[R]) -> list[R]:
    """The rows of a board's Parquet file."""
    return [from_dict(row, row_type) for row in read_parquet(path, row_type).to_pylist()]


def from_dict(values: dict[str, Any], row_type: type[R]) -> R:
    """A row from its JSON or Parquet values.

    Raises:
        UserError: they are not those of this version.
    """
    try:
        return row_type(**{**values, "status": Status(values["status"])})
    except (TypeError, KeyError) as error:
        cell = values.get("cell_id")
        raise UserError(f"row {cell}: written by another version ({error}): delete its folder and run again") from error


def _arrow_type(hint: Any) -> pa.DataType:
    if isinstance(hint, UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), Status: pa.string()}[hint]


def _optional(hint: Any) -> bool:
    return isinstance(hint, UnionType)
