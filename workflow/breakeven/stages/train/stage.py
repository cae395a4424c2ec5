"""The train stage: trains a model, the start of chains, and writes its row of the training board."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from breakeven import files, protocol
from breakeven.errors import CellFailure, Status
from breakeven.files import file_sha256, read_json, write_json
from breakeven.hardware import evaluation_profile
from breakeven.jobs import slurm
from breakeven.jobs.supervision import Attempt
from breakeven.machine import limits, provenance
from breakeven.machine.energy import Meter
from breakeven.machine.load import ForeignLoad
from breakeven.protocol import ESTIMATE
from breakeven.results import CHECKPOINT, MODEL, ROWS
from breakeven.rows import TrainingRow
from breakeven.stages import artifact as artifacts
from breakeven.stages import modules
from breakeven.stages.artifact import Artifact
from breakeven.stages.job import FIRST, Job, as_json, fill, fill_quality, identity, recorded, require
from breakeven.task import Task
from breakeven.units import registry


def train(
    task_text: str,
    training: str,
    hardware_name: str,
    seed: int,
    data: Path,
    timed: bool,
    output: Path,
    attempt: Attempt = FIRST,
) -> None:
    """Train a task's model; write the model, its record and its row of the training board."""
    from breakeven.stages.evaluate import quality
    from breakeven.stages.train import fit as trainings
    from breakeven.stages.train import multi_node
    from breakeven.stages.train.checkpoint import Checkpoint

    task, hardware, method = (
        registry.task(task_text),
        registry.hardware(hardware_name),
        registry.method(training),
    )
    job, placed = Job("train", hardware, timed), f"{training}@{hardware_name}"
    row = TrainingRow(
        **identity(task_text, task, placed, hardware, seed, [task_text, placed, seed]),
        training_method=training,
        method_params=as_json(registry.parameters(method)),
        timed_alone=timed,
        network_mbit=hardware.network_mbit,
        dataset_sha256=read_json(data)["dataset_sha256"],
        epochs=task.recipe.epochs,
        global_batch_size=task.recipe.batch_size,
        quality_target=task.quality.target,
        attempt=attempt.number,
    )
    model = Artifact()
    # Beside the output, because Snakemake removes the output of a failed job.
    checkpoint = Checkpoint(output.with_name(output.name + CHECKPOINT), _what_is_trained(row, task, hardware_name))
    with files.folder_aside(output) as folder:
        with recorded(lambda failure: _fail(row, model, failure)), multi_node.met(hardware, attempt) as peers:
            attempt.begin()
            require(method.unsupported(task, hardware), "unsupported")
            require(limits.missing(hardware), "no_hardware")
            baseline = trainings.start(seed, hardware)
            module, meter = task.model(), Meter(hardware)
            before = meter.read()
            with ForeignLoad(peers.beside) as load:
                fit, module = trainings.fit(task, module, method, hardware, seed, checkpoint=checkpoint)  # type: ignore[arg-type]
            spent = peers.part(multi_node.Spent(meter.method, meter.used(before), load.percent))
            if timed or spent.energy_method == ESTIMATE:  # a counter would include other jobs on the machine
                row.energy_method, row.train_energy_j = spent.energy_method, spent.energy_j
            _fill_training(row, fit, baseline)
            row.foreign_load_percent = max(spent.foreign_load_percent, fit.earlier_load_percent)
            row.contended = protocol.is_contended(row.foreign_load_percent)
            modules.describe_module(model, module, task)
            row.parameters, model.train_time_s = model.parameters, fit.train_time_s
            job.work_s = fit.wall_s
            modules.save_module(module, folder / MODEL)
            artifacts.describe_file(model, folder / MODEL)
            fill_quality(row, asdict(quality.evaluate(module, task, evaluation_profile("cpu"))))
        fill(row, job.provenance(hardware))
        artifacts.write(model, folder)
        write_json([asdict(row)], folder / ROWS)
        job.write(folder)
    checkpoint.remove()


def assist(task_text: str, training: str, hardware_name: str, seed: int, attempt: Attempt = FIRST) -> None:
    """Run one of the other ranks of a multi-node training, which rank 0 records; see `train`.

    Raises:
        SystemExit: the rank's process died. This exit ends the whole job, because nothing else would tell rank 0.
    """
    from breakeven.stages.train import fit as trainings
    from breakeven.stages.train import multi_node

    if attempt.failure is not None:
        print(f"{attempt.failure.status}: {attempt.failure.reason}", file=sys.stderr)
        raise SystemExit(attempt.failure.status != Status.TIMEOUT)  # rank 0 has recorded its own timeout
    task, hardware, method = registry.task(task_text), registry.hardware(hardware_name), registry.method(training)
    with recorded(lambda failure: None), multi_node.met(hardware, attempt) as peers:
        require(method.unsupported(task, hardware), "unsupported")
        trainings.start(seed, hardware)
        module, meter = task.model(), Meter(hardware)
        before = meter.read()
        with ForeignLoad(peers.beside) as load:
            trainings.fit(task, module, method, hardware, seed)  # type: ignore[arg-type]
        peers.part(multi_node.Spent(meter.method, meter.used(before), load.percent))


def _what_is_trained(row: TrainingRow, task: Task, hardware_name: str) -> str:
    """Return a digest of everything that decides a training's result and duration.

    A training resumes only from a checkpoint with the same digest.
    """
    sources = [*registry.task_sources(row.task), *registry.method_sources(row.training_method)]
    versions = [protocol.VERSIONS, *(provenance.package_version(name) for name in ("torch", "pytorch-lightning"))]
    identity = [row.cell_id, row.hardware_fingerprint, row.dataset_sha256, row.method_params, row.timed_alone]
    content = [file_sha256(Path(source)) for source in sources]
    return files.digest([identity, slurm.execution(hardware_name), asdict(task.recipe), content, versions])


def _fill_training(row: TrainingRow, fit: Any, baseline: int) -> None:
    row.steps, row.world_size = fit.steps, fit.world_size
    row.train_time_s, row.time_to_target_s = fit.train_time_s, fit.time_to_target_s
    row.samples_per_s = fit.samples / fit.train_time_s
    row.peak_memory_bytes = fit.peak_memory_bytes
    made = fit.resident_bytes - baseline  # the model and the memory to make it, which every process starts with
    row.memory_above_baseline_bytes = fit.grown_bytes + made * fit.world_size
    row.rank_memory_above_baseline_bytes = fit.rank_grown_bytes + made
    row.communicated_bytes = fit.communicated_bytes
    row.resumed_parts = fit.parts
    if row.train_energy_j is not None:
        row.train_energy_j += fit.earlier_energy_j


def _fail(row: TrainingRow, model: Artifact, failure: CellFailure) -> None:
    row.status, row.reason = Status(failure.status), failure.reason
    model.status, model.reason, model.file = row.status, f"training failed: {failure.reason}", None
