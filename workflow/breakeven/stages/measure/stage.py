"""The measure stage: a cell of the inference board becomes its rows, one per scenario; and their collection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from breakeven import files, protocol, statistics
from breakeven.errors import CellFailure, FinalFailure, Status
from breakeven.files import aside, read_json, write_json
from breakeven.grid import chain as chains
from breakeven.grid.chain import Chain
from breakeven.hardware import HardwareProfile
from breakeven.jobs.supervision import Attempt
from breakeven.machine import provenance
from breakeven.protocol import UNSTABLE_CV
from breakeven.results import EVALUATION, LATENCIES, OUTPUTS, ROWS
from breakeven.rows import InferenceRow
from breakeven.stages import artifact as artifacts
from breakeven.stages.job import FIRST, Job, as_json, fill, fill_quality, identity, recorded, require
from breakeven.task import Task
from breakeven.units import registry


@dataclass(frozen=True)
class Inputs:
    """What a cell is measured from."""

    artifact: Path
    reference: Path
    evaluation: Path
    reference_evaluation: Path
    data: Path


def measure(
    task_text: str,
    training: str,
    seed: int,
    chain_text: str,
    hardware_name: str,
    mode: str,
    inputs: Inputs,
    output: Path,
    attempt: Attempt = FIRST,
) -> None:
    """Measure one cell beside its reference; leave its rows and its raw latencies."""
    from breakeven.components import lengths
    from breakeven.stages.measure import lockstep

    task, chain, hardware = (
        registry.task(task_text),
        chains.served(chain_text),
        registry.hardware(hardware_name),
    )
    job = Job("measure", hardware, timed=True)
    rows = {
        scenario: _row(task_text, task, training, seed, chain, hardware, mode, scenario, batch_size, inputs)
        for scenario, batch_size in protocol.SCENARIOS.items()
    }

    def failed(failure: CellFailure) -> None:
        for row in rows.values():
            row.status, row.reason = Status(failure.status), failure.reason

    with files.folder_aside(output) as folder:
        with recorded(failed):
            attempt.begin()
            cell, reference = _served(inputs, chain, task, hardware, rows.values())
            timing = lockstep.measure(cell, reference, task, hardware, protocol.MODES[mode], seed)
            held = lockstep.measure_memory(cell, task, hardware, seed)
            job.work_s = timing.window_s
            lengths_seen = lengths.fields(task, *task.example_inputs(protocol.POOL))
            for scenario, row in rows.items():
                row.peak_memory_bytes, row.memory_above_baseline_bytes = held.peak_bytes, held.above_baseline_bytes
                row.cuda_allocated_bytes, row.cuda_reserved_bytes = held.cuda_allocated_bytes, held.cuda_reserved_bytes
                fill(row, lengths_seen)
                _fill_timing(row, timing, scenario)
                _fill_energy(row, timing, scenario)
            _write_latencies(timing, folder / LATENCIES)
        for row in rows.values():
            row.attempt = attempt.number
            fill(row, job.provenance(hardware))
        write_json([asdict(row) for row in rows.values()], folder / ROWS)
        job.write(folder)


def _served(
    inputs: Inputs, chain: Chain, task: Task, hardware: HardwareProfile, rows: Iterable[InferenceRow]
) -> tuple[Any, Any]:
    """The cell's file and its reference's, once everything before them is known to be well."""
    from breakeven.stages.measure.served_model import Served

    require(hardware.missing(), "no_hardware")
    require(chain.unsupported(task, hardware), "unsupported")
    model, original = artifacts.read(inputs.artifact), artifacts.read(inputs.reference)
    path, original_path = (
        artifacts.model_file(inputs.artifact, model),
        artifacts.model_file(inputs.reference, original),
    )
    evaluation, its = read_json(inputs.evaluation / EVALUATION), read_json(inputs.reference_evaluation / EVALUATION)
    for each in (evaluation, its):
        if each["status"] != Status.OK:
            raise FinalFailure(each["status"], each["reason"])
    cell = Served(path, chain.runtime, evaluation["artifact_sha256"], inputs.evaluation / OUTPUTS)
    reference = Served(
        original_path, protocol.REFERENCE_RUNTIME, its["artifact_sha256"], inputs.reference_evaluation / OUTPUTS
    )
    for row in rows:
        fill_quality(row, evaluation)
        row.reference_quality, row.outputs_sha256 = its["quality"], evaluation["outputs_sha256"]
        row.quality_kept_ci_low, row.quality_kept_ci_high = statistics.kept_interval(
            evaluation["resampled"], its["resampled"], row.higher_is_better
        )
        row.artifact_sha256, row.disk_bytes, row.packed_bytes = model.sha256, model.disk_bytes, model.packed_bytes
        row.parameters, row.nonzero_parameters = model.parameters, model.nonzero_parameters
        row.flops, row.nonzero_flops = model.flops, model.nonzero_flops
        row.train_time_s, row.compress_time_s = model.train_time_s, model.compress_time_s
        row.export_time_s, row.making_foreign_load_percent = model.export_time_s, model.making_foreign_load_percent
    return cell, reference


def _row(
    task_text: str,
    task: Task,
    training: str,
    seed: int,
    chain: Chain,
    hardware: HardwareProfile,
    mode: str,
    scenario: str,
    batch_size: int,
    inputs: Inputs,
) -> InferenceRow:
    def cell(steps: tuple[str, ...]) -> list[Any]:
        return [
            task_text,
            training,
            seed,
            [(s, registry.parameters(registry.method(s))) for s in steps],
            scenario,
        ]

    common = identity(task_text, task, training, hardware, seed, cell(chain.steps))
    reference = identity(task_text, task, training, hardware, seed, cell(()))
    runtime = chain.runtime
    return InferenceRow(
        **common,
        dataset_sha256=read_json(inputs.data)["dataset_sha256"],
        method=chain.compressions,
        method_params=as_json([[s, registry.parameters(registry.method(s))] for s in chain.steps]),
        chain=str(chain),
        runtime=runtime,
        runtime_version=provenance.package_version(chain.served_by.package),
        precision=chain.precision,
        scenario=scenario,
        batch_size=batch_size,
        mode=mode,
        reference_cell_id=reference["cell_id"],
    )


def _fill_timing(row: InferenceRow, timing: Any, scenario: str) -> None:
    windows = timing.windows[scenario]
    every = np.concatenate([w.latencies_ms for w in windows])
    row.load_time_s = float(np.median(timing.load_time_s))
    row.warmup_calls = timing.warmup_calls
    row.timed_calls, row.timed_s, row.processes = len(every), float(every.sum() / 1e3), len(windows)
    row.latency_mean_ms, row.latency_cv = float(every.mean()), float(every.std() / every.mean())
    for name in ("p50", "p90", "p99"):
        percentile = int(name[1:]) / 100
        setattr(row, f"latency_{name}_ms", _over_processes([w.latencies_ms for w in windows], percentile))
        setattr(
            row,
            f"reference_latency_{name}_ms",
            _over_processes([w.reference_ms for w in windows], percentile),
        )
    row.speedup, row.speedup_ci_low, row.speedup_ci_high, row.speedup_cv = statistics.ratio_interval(
        [w.speedup for w in windows]
    )
    row.throughput_samples_per_s = row.batch_size * row.timed_calls / row.timed_s
    row.foreign_load_percent = timing.foreign_load_percent[scenario]
    row.contended = protocol.is_contended(row.foreign_load_percent)
    row.unstable = row.speedup_cv is not None and row.speedup_cv > UNSTABLE_CV


def _fill_energy(row: InferenceRow, timing: Any, scenario: str) -> None:
    row.energy_method = timing.energy_method
    pairs = [(w.energy_j, w.reference_energy_j) for w in timing.windows[scenario]]
    if any(not joules for pair in pairs for joules in pair):  # unknown, or too little for the counter to show
        return
    row.energy_j_per_sample, row.reference_energy_j_per_sample = np.mean(pairs, axis=0).tolist()
    row.energy_gain, row.energy_gain_ci_low, row.energy_gain_ci_high, _ = statistics.ratio_interval(
        [reference / cell for cell, reference in pairs]
    )


def _over_processes(latencies: list[np.ndarray], percentile: float) -> float | None:
    return statistics.median_or_none([statistics.percentile_estimate(each, percentile) for each in latencies])


def _write_latencies(timing: Any, path: Path) -> None:
    """Every timed call: its scenario, its pair of processes, whose it was, and how long it took."""
    parts = [
        pa.table(
            {
                "latency_ms": values,
                "scenario": [scenario] * len(values),
                "pair": [w.pair] * len(values),
                "served": [served] * len(values),
            }
        )
        for scenario, windows in timing.windows.items()
        for w in windows
        for served, values in (("cell", w.latencies_ms), ("reference", w.reference_ms))
    ]
    with aside(path) as temporary:
        pq.write_table(pa.concat_tables(parts), temporary, compression="zstd")
