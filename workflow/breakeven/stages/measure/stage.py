"""The measure stage: times a cell beside its reference and writes its rows, one per scenario."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from breakeven import protocol, statistics
from breakeven.components import lengths
from breakeven.errors import CellFailure, FinalFailure, Status
from breakeven.files import folder_aside, read_json, write_json
from breakeven.jobs.supervision import Attempt
from breakeven.machine import limits
from breakeven.results import EVALUATION, LATENCIES, OUTPUTS, ROWS
from breakeven.rows import InferenceRow
from breakeven.stages import artifact as artifacts
from breakeven.stages.artifact import Artifact
from breakeven.stages.job import FIRST, Job, fill, fill_quality, recorded, require
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.figures import fill_energy, fill_memory, fill_timing, write_latencies
from breakeven.stages.measure.served_model import Served
from breakeven.stages.measure.spec import CellSpec


@dataclass(frozen=True)
class Inputs:
    """The folders of the stages before a cell's measurement, and the record of its data."""

    artifact: Path
    reference: Path
    evaluation: Path
    reference_evaluation: Path
    data: Path


def measure(spec: CellSpec, inputs: Inputs, output: Path, attempt: Attempt = FIRST) -> None:
    """Measure one cell beside its reference; write its rows and its raw latencies into `output`."""
    task, hardware = spec.task, spec.hardware
    job = Job("measure", hardware, timed=True)
    dataset_sha256 = read_json(inputs.data)["dataset_sha256"]
    rows = {scenario: spec.row(scenario, dataset_sha256) for scenario in protocol.SCENARIOS}

    def failed(failure: CellFailure) -> None:
        for row in rows.values():
            row.status, row.reason = Status(failure.status), failure.reason

    with folder_aside(output) as folder:
        with recorded(failed):
            attempt.begin()
            require(limits.missing(hardware), "no_hardware")
            require(spec.chain.unsupported(task, hardware), "unsupported")
            cell, reference = _served(spec, inputs, rows.values())
            timing = lockstep.measure(cell, reference, task, hardware, protocol.MODES[spec.mode], spec.seed)
            memory = lockstep.measure_memory(cell, task, hardware, spec.seed)
            job.work_s = timing.window_s
            lengths_seen = lengths.fields(task, *task.example_inputs(protocol.POOL))
            for scenario, row in rows.items():
                fill(row, lengths_seen)
                fill_memory(row, memory)
                fill_timing(row, timing, scenario)
                fill_energy(row, timing, scenario)
            write_latencies(timing, folder / LATENCIES)
        for row in rows.values():
            row.attempt = attempt.number
            fill(row, job.provenance(hardware))
        write_json([asdict(row) for row in rows.values()], folder / ROWS)
        job.write(folder)


def _served(spec: CellSpec, inputs: Inputs, rows: Iterable[InferenceRow]) -> tuple[Served, Served]:
    """Return the model files of the cell and its reference, and copy the results of earlier stages into the rows.

    Raises:
        CellFailure: an earlier stage failed.
    """
    model, original = artifacts.read(inputs.artifact), artifacts.read(inputs.reference)
    paths = artifacts.model_file(inputs.artifact, model), artifacts.model_file(inputs.reference, original)
    own, reference = read_json(inputs.evaluation / EVALUATION), read_json(inputs.reference_evaluation / EVALUATION)
    for evaluation in (own, reference):
        if evaluation["status"] != Status.OK:
            raise FinalFailure(evaluation["status"], evaluation["reason"])
    for row in rows:
        fill_quality(row, own)
        row.reference_quality, row.outputs_sha256 = reference["quality"], own["outputs_sha256"]
        row.quality_kept_ci_low, row.quality_kept_ci_high = statistics.kept_interval(
            own["resampled"], reference["resampled"], row.higher_is_better
        )
        _fill_artifact(row, model)
    outputs = inputs.evaluation / OUTPUTS, inputs.reference_evaluation / OUTPUTS
    return (
        Served(paths[0], spec.chain.runtime, own["artifact_sha256"], outputs[0]),
        Served(paths[1], protocol.REFERENCE_RUNTIME, reference["artifact_sha256"], outputs[1]),
    )


def _fill_artifact(row: InferenceRow, model: Artifact) -> None:
    row.artifact_sha256, row.disk_bytes, row.packed_bytes = model.sha256, model.disk_bytes, model.packed_bytes
    row.parameters, row.nonzero_parameters = model.parameters, model.nonzero_parameters
    row.flops, row.nonzero_flops = model.flops, model.nonzero_flops
    row.train_time_s, row.compress_time_s = model.train_time_s, model.compress_time_s
    row.export_time_s, row.making_foreign_load_percent = model.export_time_s, model.making_foreign_load_percent
