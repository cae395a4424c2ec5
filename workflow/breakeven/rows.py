"""The rows of the two boards: one dataclass each. The Arrow schema, the JSON, the Parquet and docs/rows.md follow."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from breakeven.errors import Status, UserError
from breakeven.files import aside
from breakeven.protocol import PROTOCOL_VERSION, SCHEMA_VERSION
from breakeven.results import board

NEVER = "never"
FAILED = "the cell failed"
NOT_TOLD = "the machine does not tell"
NO_GPU = "the profile uses no GPU"
NO_PRICE = "the profile states no price"
NO_ENERGY = "nothing counts or estimates the energy"
ONE_LENGTH = "all inputs have one length"
ONE_PROCESS = "only one pair of processes was timed"
FEW_CALLS = "a process made too few calls for this percentile"


@dataclass(frozen=True)
class Meaning:
    """The meaning of a column of a board, for docs/rows.md."""

    text: str  # what the column holds, and how it is computed
    unit: str = ""
    null: str = FAILED  # why it may be null, where its type allows null


@dataclass(kw_only=True)
class Provenance:
    """The machine and the software that did the work, read by the job itself."""

    cpu_model: Annotated[str | None, Meaning("Model of the processor.", null=NOT_TOLD)] = None
    cores: Annotated[int | None, Meaning("Logical cores of the machine.", null=NEVER)] = None
    threads_allowed: Annotated[int | None, Meaning("Logical cores that the job was allowed to use.", null=NEVER)] = None
    ram_bytes: Annotated[int | None, Meaning("Memory of the machine.", "bytes", NEVER)] = None
    cgroup_cpu_limit: Annotated[
        float | None, Meaning("Processor limit of the job's control groups.", "cores", "there is no limit")
    ] = None
    cgroup_memory_limit_bytes: Annotated[
        int | None, Meaning("Memory limit of the job's control groups.", "bytes", "there is no limit")
    ] = None
    gpu_model: Annotated[str | None, Meaning("Model of the first GPU.", null=NO_GPU)] = None
    gpu_driver: Annotated[str | None, Meaning("Version of the GPU's driver.", null=NO_GPU)] = None
    gpu_count: Annotated[int | None, Meaning("GPUs that the job saw.", null=NO_GPU)] = None
    kernel: Annotated[str | None, Meaning("Release of the operating system's kernel.", null=NEVER)] = None
    governor: Annotated[str | None, Meaning("The kernel's policy for the processor's frequency.", null=NOT_TOLD)] = None
    turbo: Annotated[bool | None, Meaning("The processor may exceed its base frequency.", null=NOT_TOLD)] = None
    virtualised: Annotated[bool | None, Meaning("The machine is a virtual one.", null=NEVER)] = None
    load_before: Annotated[
        float | None, Meaning("Load average of one minute when the job started.", "runnable processes", NEVER)
    ] = None
    load_after: Annotated[
        float | None, Meaning("Load average of one minute when the job ended.", "runnable processes", NEVER)
    ] = None
    python: Annotated[str | None, Meaning("Version of Python.", null=NEVER)] = None
    torch: Annotated[str | None, Meaning("Version of PyTorch.", null="it is not installed")] = None
    lock_sha256: Annotated[str | None, Meaning("Hash of `requirements.lock`.", null="there is no such file")] = None
    git_commit: Annotated[str | None, Meaning("Commit of the checkout.", null="it is no git checkout")] = None
    git_dirty: Annotated[
        bool | None, Meaning("The checkout had uncommitted changes.", null="it is no git checkout")
    ] = None
    libraries: Annotated[
        str | None, Meaning("JSON: versions of the libraries that may have run in the job.", null=NEVER)
    ] = None
    config_sha256: Annotated[
        str | None, Meaning("Hash of the grid's config.", null="the job was started by hand, not by the workflow")
    ] = None
    executor: Annotated[str | None, Meaning("`local` or `slurm`.", null=NEVER)] = None
    job_id: Annotated[str | None, Meaning("The scheduler's number of the job.", null="no scheduler ran it")] = None
    started_at: Annotated[str | None, Meaning("Start of the job.", "ISO 8601, UTC", NEVER)] = None
    finished_at: Annotated[str | None, Meaning("End of the job.", "ISO 8601, UTC", NEVER)] = None


@dataclass(kw_only=True)
class Row(Provenance):
    """The columns that both boards share: identity, status, quality, memory and price."""

    schema_version: Annotated[int, Meaning("Version of the columns.")] = SCHEMA_VERSION
    protocol_version: Annotated[int, Meaning("Version of the protocol that the figures follow.")] = PROTOCOL_VERSION
    cell_id: Annotated[str, Meaning("Hash of everything that identifies the cell.")]
    task: Annotated[str, Meaning("The task, with the parameters that differ from their defaults.")]
    task_version: Annotated[int, Meaning("Version of the task.")]
    dataset_sha256: Annotated[str | None, Meaning("Hash of the prepared data.", null=NEVER)] = None
    split: Annotated[
        str, Meaning("The part of the data on which quality is evaluated, and from which inputs are drawn.")
    ] = "test"
    trained_as: Annotated[str, Meaning("How the model was trained: method@hardware.")]
    hardware: Annotated[str, Meaning("The hardware profile of the cell.")]
    hardware_fingerprint: Annotated[
        str | None, Meaning("Hash of the machine's and the profile's properties that matter to speed.", null=NEVER)
    ] = None
    accelerator: Annotated[str, Meaning("Kind of the profile's devices: `cpu` or `cuda`.")]
    threads: Annotated[int, Meaning("Threads per process, from the profile.")]
    seed: Annotated[int, Meaning("Seed of the training and of the drawn inputs.")]
    status: Annotated[Status, Meaning("How the cell ended: see section 6 of the protocol.")] = Status.OK
    reason: Annotated[str | None, Meaning("Why the cell failed.", null="the cell did not fail")] = None
    attempt: Annotated[int, Meaning("Number of the attempt: above 1 where the infrastructure failed before.")] = 1
    metric: Annotated[str, Meaning("The task's quality metric.")]
    metric_unit: Annotated[str, Meaning("Unit of the quality: `ratio` for values from 0 to 1.")]
    higher_is_better: Annotated[bool, Meaning("A higher quality is better; false for error metrics.")]
    quality: Annotated[float | None, Meaning("Quality on the whole test set.", "`metric_unit`")] = None
    quality_ci_low: Annotated[
        float | None, Meaning("Lower end of the 95 % interval: bootstrap over test samples.", "`metric_unit`")
    ] = None
    quality_ci_high: Annotated[float | None, Meaning("Upper end of that interval.", "`metric_unit`")] = None
    n_eval: Annotated[int | None, Meaning("Test samples that the quality was evaluated on.")] = None
    other_metrics: Annotated[
        str | None, Meaning("JSON: further metrics by name, not ranked.", null="the task reports no others")
    ] = None
    parameters: Annotated[int | None, Meaning("Parameters of the model.")] = None
    peak_memory_bytes: Annotated[
        int | None, Meaning("Highest resident memory, summed over the cell's processes.", "bytes")
    ] = None
    memory_above_baseline_bytes: Annotated[
        int | None,
        Meaning(
            "`peak_memory_bytes` above what the processes held after their imports. Below 0 where they share pages with"
            " their parent.",
            "bytes",
        ),
    ] = None
    foreign_load_percent: Annotated[
        float | None, Meaning("Share of all cores that other programs used while the cell was timed.", "%")
    ] = None
    contended: Annotated[
        bool | None,
        Meaning("The foreign load exceeded the protocol's limit. The row is shown and not ranked."),
    ] = None
    energy_method: Annotated[
        str | None,
        Meaning(
            "How joules were found: `rapl`, `nvml`, `tdp_estimate` or `none`.",
            null="the cell failed, or other jobs ran beside a training whose energy only a counter could tell",
        ),
    ] = None
    watts: Annotated[
        float | None, Meaning("Power that the profile states for estimates.", "W", "the profile states none")
    ] = None
    usd_per_hour: Annotated[
        float | None, Meaning("Price of the hardware when the board was collected.", "US$/h", NO_PRICE)
    ] = None
    price_source: Annotated[str | None, Meaning("Source of the price.", null=NO_PRICE)] = None
    price_date: Annotated[str | None, Meaning("Day on which the price was read.", "ISO 8601", NO_PRICE)] = None


@dataclass(kw_only=True)
class TrainingRow(Row):
    """One cell of the training board."""

    training_method: Annotated[str, Meaning("The training method, with its parameters.")]
    method_params: Annotated[str, Meaning("JSON: all parameters of the training method.")]
    timed_alone: Annotated[bool, Meaning("No other job ran beside the training. Otherwise its times are not ranked.")]
    epochs: Annotated[int | None, Meaning("Passes over the training data, from the task's recipe.", null=NEVER)] = None
    global_batch_size: Annotated[int | None, Meaning("Samples per step, over all processes.", null=NEVER)] = None
    steps: Annotated[int | None, Meaning("Steps of the optimiser.")] = None
    world_size: Annotated[int | None, Meaning("Processes that trained together.")] = None
    network_mbit: Annotated[
        float | None,
        Meaning("Rate of the link between processes.", "Mbit/s", "the profile does not throttle the link"),
    ] = None
    communicated_bytes: Annotated[
        int | None,
        Meaning(
            "Bytes that all processes sent during `train_time_s`, counted by the network device.",
            "bytes",
            "one process trained, or the processes had no network of their own to count on",
        ),
    ] = None
    rank_memory_above_baseline_bytes: Annotated[
        int | None, Meaning("`memory_above_baseline_bytes` of the process that held most.", "bytes")
    ] = None
    train_time_s: Annotated[float | None, Meaning("Time of all steps, without validation and start-up.", "s")] = None
    resumed_parts: Annotated[
        int | None, Meaning("Parts from checkpoint to checkpoint that the figures add up: 1 without an interruption.")
    ] = None
    time_to_target_s: Annotated[
        float | None,
        Meaning("Training time at the first validation that reached `quality_target`; infinite where none did.", "s"),
    ] = None
    quality_target: Annotated[float | None, Meaning("Quality to reach, from the task.", "`metric_unit`", NEVER)] = None
    samples_per_s: Annotated[float | None, Meaning("Training samples over `train_time_s`.", "samples/s")] = None
    train_energy_j: Annotated[
        float | None,
        Meaning("Energy of the training.", "J", f"{NO_ENERGY}, or other jobs ran beside a training that was counted"),
    ] = None


@dataclass(kw_only=True)
class InferenceRow(Row):
    """One cell of the inference board in one scenario."""

    method: Annotated[str, Meaning("The chain without its runtime.")]
    method_params: Annotated[str, Meaning("JSON: the chain's steps, each with all its parameters.")]
    chain: Annotated[str, Meaning("The steps that made the model, joined by +; `fp32` for the reference.")]
    runtime: Annotated[str, Meaning("The runtime that serves the model.")]
    runtime_version: Annotated[str | None, Meaning("Version of the runtime's package.", null="it is not installed")] = (
        None
    )
    precision: Annotated[str | None, Meaning("Number format of the served model.", null=NEVER)] = None
    scenario: Annotated[str, Meaning("`single_stream`: one sample per call; `offline`: batches.")]
    batch_size: Annotated[int, Meaning("Samples per call.")]
    mode: Annotated[str, Meaning("How long the cell was timed: `brief`, `quick` or `full`.")]
    length_unit: Annotated[str | None, Meaning("Unit of the inputs' lengths.", null=ONE_LENGTH)] = None
    length_p10: Annotated[
        float | None, Meaning("A tenth of the timed inputs are at most as long.", "`length_unit`", ONE_LENGTH)
    ] = None
    length_p50: Annotated[
        float | None, Meaning("Half of the timed inputs are at most as long.", "`length_unit`", ONE_LENGTH)
    ] = None
    length_p90: Annotated[
        float | None, Meaning("Nine tenths of the timed inputs are at most as long.", "`length_unit`", ONE_LENGTH)
    ] = None
    length_max: Annotated[float | None, Meaning("Length of the longest timed input.", "`length_unit`", ONE_LENGTH)] = (
        None
    )
    artifact_sha256: Annotated[str | None, Meaning("Hash of the file that was evaluated and timed.")] = None
    outputs_sha256: Annotated[
        str | None, Meaning("Hash of the evaluation's stored outputs, which the timed process had to reproduce.")
    ] = None
    reference_cell_id: Annotated[
        str | None, Meaning("`cell_id` of the reference that the cell was timed beside.", null=NEVER)
    ] = None
    reference_quality: Annotated[float | None, Meaning("Quality of the reference.", "`metric_unit`")] = None
    quality_kept_ci_low: Annotated[
        float | None,
        Meaning(
            "Lower end of the 95 % interval of the share of the reference's quality: bootstrap, paired by test sample."
        ),
    ] = None
    quality_kept_ci_high: Annotated[float | None, Meaning("Upper end of that interval.")] = None
    nonzero_parameters: Annotated[int | None, Meaning("Parameters that are not zero.")] = None
    flops: Annotated[
        int | None,
        Meaning(
            "Operations for one sample, 2 per multiply-add, as if in float32 and dense.",
            "FLOP",
            "an operation of the model cannot be counted",
        ),
    ] = None
    nonzero_flops: Annotated[
        int | None,
        Meaning(
            "`flops` without those of weights that are zero.", "FLOP", "an operation of the model cannot be counted"
        ),
    ] = None
    disk_bytes: Annotated[int | None, Meaning("Size of the file that a user would ship.", "bytes")] = None
    packed_bytes: Annotated[int | None, Meaning("Size of that file packed by zstd.", "bytes")] = None
    train_time_s: Annotated[float | None, Meaning("`train_time_s` of the model that the chain starts from.", "s")] = (
        None
    )
    compress_time_s: Annotated[float | None, Meaning("Time of all compressing steps of the chain.", "s")] = None
    export_time_s: Annotated[float | None, Meaning("Time of the export for the runtime.", "s")] = None
    making_foreign_load_percent: Annotated[
        float | None, Meaning("Share of all cores that other programs used while compressing and exporting.", "%")
    ] = None
    load_time_s: Annotated[float | None, Meaning("Time to load the model: median over the timed processes.", "s")] = (
        None
    )
    warmup_calls: Annotated[int | None, Meaning("Untimed calls of all processes before the timed ones.")] = None
    timed_calls: Annotated[int | None, Meaning("Timed calls of all processes.")] = None
    timed_s: Annotated[float | None, Meaning("Sum of all timed calls.", "s")] = None
    processes: Annotated[int | None, Meaning("Fresh pairs of processes, of the cell and of its reference.")] = None
    latency_mean_ms: Annotated[float | None, Meaning("Mean of all timed calls.", "ms")] = None
    latency_p50_ms: Annotated[
        float | None,
        Meaning(
            "Bound of the 50th percentile (MLPerf's early stopping) in each process; the median of these.",
            "ms",
            FEW_CALLS,
        ),
    ] = None
    latency_p90_ms: Annotated[float | None, Meaning("The same for the 90th percentile.", "ms", FEW_CALLS)] = None
    latency_p99_ms: Annotated[float | None, Meaning("The same for the 99th percentile.", "ms", FEW_CALLS)] = None
    latency_cv: Annotated[float | None, Meaning("Standard deviation of all timed calls over their mean.")] = None
    reference_latency_p50_ms: Annotated[
        float | None, Meaning("`latency_p50_ms` of the reference beside it.", "ms", FEW_CALLS)
    ] = None
    reference_latency_p90_ms: Annotated[
        float | None, Meaning("`latency_p90_ms` of the reference beside it.", "ms", FEW_CALLS)
    ] = None
    reference_latency_p99_ms: Annotated[
        float | None, Meaning("`latency_p99_ms` of the reference beside it.", "ms", FEW_CALLS)
    ] = None
    speedup: Annotated[
        float | None,
        Meaning(
            "The reference's time over the cell's: median over paired turns, then geometric mean over pairs of"
            " processes."
        ),
    ] = None
    speedup_ci_low: Annotated[
        float | None,
        Meaning("Lower end of the 95 % interval: Student's over pairs of processes, on logarithms.", null=ONE_PROCESS),
    ] = None
    speedup_ci_high: Annotated[float | None, Meaning("Upper end of that interval.", null=ONE_PROCESS)] = None
    speedup_cv: Annotated[
        float | None,
        Meaning("Standard deviation of the speed-up between pairs of processes, over its mean.", null=ONE_PROCESS),
    ] = None
    throughput_samples_per_s: Annotated[
        float | None, Meaning("`batch_size` times `timed_calls` over `timed_s`.", "samples/s")
    ] = None
    cuda_allocated_bytes: Annotated[
        int | None, Meaning("Most GPU memory that torch allocated at once.", "bytes", NO_GPU)
    ] = None
    cuda_reserved_bytes: Annotated[
        int | None, Meaning("Most GPU memory that torch reserved at once.", "bytes", NO_GPU)
    ] = None
    energy_j_per_sample: Annotated[
        float | None, Meaning("Energy of a sample, over the same turns as the latencies.", "J", NO_ENERGY)
    ] = None
    reference_energy_j_per_sample: Annotated[
        float | None, Meaning("Energy of a sample by the reference beside it.", "J", NO_ENERGY)
    ] = None
    energy_gain: Annotated[
        float | None,
        Meaning("The reference's energy over the cell's: geometric mean over pairs of processes.", null=NO_ENERGY),
    ] = None
    energy_gain_ci_low: Annotated[
        float | None,
        Meaning("Lower end of the 95 % interval, made as the speed-up's.", null=f"{NO_ENERGY}, or {ONE_PROCESS}"),
    ] = None
    energy_gain_ci_high: Annotated[
        float | None, Meaning("Upper end of that interval.", null=f"{NO_ENERGY}, or {ONE_PROCESS}")
    ] = None
    unstable: Annotated[
        bool | None, Meaning("`speedup_cv` exceeds the protocol's limit of 5 %. A flag, and no reason not to rank.")
    ] = None


R = TypeVar("R", bound=Row)
KIND, VERSION = b"breakeven.kind", b"breakeven.schema_version"  # metadata of a board's Parquet file
BOARDS: dict[type[Row], str] = {InferenceRow: "inference", TrainingRow: "training"}
BOARD_FILES = {row_type: board(name) for row_type, name in BOARDS.items()}
OLDER_SCHEMA, RENAMED = 6, {"training": "trained_as"}  # the last schema that is still read, and its other column names


def columns(row_type: type[Provenance]) -> dict[str, tuple[Any, Meaning]]:
    """The columns of a board, in order: the type and the meaning of each."""
    hints = typing.get_type_hints(row_type, include_extras=True)
    return {field.name: typing.get_args(hints[field.name]) for field in fields(row_type)}


def arrow_schema(row_type: type[Row]) -> pa.Schema:
    """The schema of a board's Parquet file; `kind` and `schema_version` mark it as ours."""
    found = [pa.field(name, _arrow_type(hint), _optional(hint)) for name, (hint, _) in columns(row_type).items()]
    return pa.schema(found, {KIND: row_type.__name__, VERSION: str(SCHEMA_VERSION)})


def write_parquet(rows: Iterable[R], row_type: type[R], path: Path) -> None:
    """Write a board: aside, then renamed."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=arrow_schema(row_type))
    with aside(path) as temporary:
        pq.write_table(table, temporary)


def read_parquet(path: Path, row_type: type[R]) -> pa.Table:
    """The table of a board. A table of OLDER_SCHEMA gets today's column names.

    Raises:
        UserError: missing, not Parquet, or not of a version that can be read.
    """
    if not path.exists():
        raise UserError(f"{path}: no results yet: run 'make run' or 'snakemake --cores all' to make some")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({str(error).splitlines()[0]}): name a board's file") from error
    schema = arrow_schema(row_type)
    if (table.schema.metadata or {}).get(KIND) != row_type.__name__.encode():
        raise UserError(f"{path}: not a file of {row_type.__name__}s made by Breakeven: name another, or move it away")
    table = _renewed(table)
    if not table.schema.equals(schema, check_metadata=True):
        version = table.schema.metadata.get(VERSION, b"?").decode()
        how = (
            f"has schema {version}, this is {SCHEMA_VERSION}" if version != str(SCHEMA_VERSION) else "has other columns"
        )
        raise UserError(f"{path}: {how}: it was written by another version; run its grid again")
    return table


def read_rows(path: Path, row_type: type[R]) -> list[R]:
    """The rows of a board's Parquet file."""
    return [from_dict(row, row_type) for row in read_parquet(path, row_type).to_pylist()]


def from_dict(values: dict[str, Any], row_type: type[R]) -> R:
    """A row from its JSON or Parquet values. Values of OLDER_SCHEMA get today's names.

    Raises:
        UserError: they are not of a version that can be read.
    """
    if values.get("schema_version") == OLDER_SCHEMA:
        values = {RENAMED.get(name, name): value for name, value in values.items()} | {"schema_version": SCHEMA_VERSION}
    try:
        return row_type(**{**values, "status": Status(values["status"])})
    except (TypeError, KeyError) as error:
        cell = values.get("cell_id")
        raise UserError(f"row {cell}: written by another version ({error}): delete its folder and run again") from error


def _renewed(table: pa.Table) -> pa.Table:
    """A table with today's column names and schema version, where it has those of OLDER_SCHEMA."""
    metadata = table.schema.metadata
    if metadata.get(VERSION) != str(OLDER_SCHEMA).encode():
        return table
    table = table.rename_columns([RENAMED.get(name, name) for name in table.column_names])
    at = table.schema.get_field_index("schema_version")
    versions = pa.repeat(pa.scalar(SCHEMA_VERSION, pa.int64()), len(table))
    table = table.set_column(at, table.schema.field(at), versions)
    return table.replace_schema_metadata({**metadata, VERSION: str(SCHEMA_VERSION)})


def _arrow_type(hint: Any) -> pa.DataType:
    if isinstance(hint, UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), Status: pa.string()}[hint]


def _optional(hint: Any) -> bool:
    return isinstance(hint, UnionType)
