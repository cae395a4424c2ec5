"""Verbs that the workflow's rules call: one per stage, with the stage's name. A rule's command also runs by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
STAGES = "Stages, called by the workflow's rules"
LATER_MIN = 1  # more minutes for the other ranks of a training, so that rank 0 times out first and records it

Task = Annotated[str, typer.Option(help="A task, such as fashion_mnist; parameters follow as -name=value.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Hardware = Annotated[str, typer.Option(help="A hardware profile, such as cpu_1.")]
Chain = Annotated[str, typer.Option(help="A chain, such as channel_pruning-ratio=0.5+int8_static.")]
Source = Annotated[Path, typer.Option(help="Folder of the artifact to start from.")]
Data = Annotated[Path, typer.Option(help="Record of the task's prepared data.")]
Output = Annotated[Path, typer.Option(help="File or folder to write.")]
Timeout = Annotated[float | None, typer.Option(help="Minutes after which the job is ended and recorded as timeout.")]


@app.command(rich_help_panel=STAGES)
def prepare(task: Task, output: Output) -> None:
    """Obtain and prepare the data of a task."""
    from breakeven.stages.prepare import prepare as stage

    stage(task, output)


@app.command(rich_help_panel=STAGES)
def train(
    task: Task,
    training_method: Annotated[str, typer.Option(help="A training method, such as single_device.")],
    hardware: Hardware,
    seed: Seed,
    data: Data,
    output: Output,
    timed: Annotated[bool, typer.Option("--timed", help="Nothing else runs beside this job: its times count.")] = False,
    timeout_min: Timeout = None,
) -> None:
    """Train the model of a task."""
    from breakeven.machine.place import place, spread
    from breakeven.stages.train import stage
    from breakeven.units import registry

    work: Callable[..., None] = partial(stage.train, task, training_method, hardware, seed, data, timed, output)
    if spread(registry.hardware(hardware)) and place().rank > 0:
        work = partial(stage.assist, task, training_method, hardware, seed)
    _supervised(work, hardware, timeout_min)


@app.command(rich_help_panel=STAGES)
def compress(
    task: Task,
    step: Annotated[str, typer.Option(help="The step of a chain to apply, such as low_rank.")],
    seed: Seed,
    hardware: Hardware,
    source: Source,
    output: Output,
    timeout_min: Timeout = None,
) -> None:
    """Apply one step of a chain to an artifact."""
    from breakeven.stages.compress import stage

    _supervised(partial(stage.compress, task, step, seed, hardware, source, output), hardware, timeout_min)


@app.command(rich_help_panel=STAGES)
def evaluate(
    task: Task,
    chain: Chain,
    accelerator: Annotated[str, typer.Option(help="cpu or cuda.")],
    source: Source,
    output: Output,
    timeout_min: Timeout = None,
) -> None:
    """Evaluate an artifact on the whole test set, in the runtime that serves it."""
    from breakeven.stages.evaluate import stage

    _supervised(partial(stage.evaluate, task, chain, accelerator, source, output), None, timeout_min)


@app.command(rich_help_panel=STAGES)
def measure(
    task: Task,
    trained_as: Annotated[str, typer.Option(help="method@hardware that has trained the model.")],
    seed: Seed,
    chain: Chain,
    hardware: Hardware,
    mode: Annotated[str, typer.Option(help="brief, quick or full.")],
    artifact: Annotated[Path, typer.Option(help="Folder of the cell's artifact.")],
    reference: Annotated[Path, typer.Option(help="Folder of the trained model.")],
    evaluation: Annotated[Path, typer.Option(help="Folder of the cell's evaluation.")],
    reference_evaluation: Annotated[Path, typer.Option(help="Folder of the trained model's evaluation.")],
    data: Data,
    output: Output,
    timeout_min: Timeout = None,
) -> None:
    """Time a cell beside its reference. Nothing else should run on the machine."""
    from breakeven.stages.measure.spec import CellSpec
    from breakeven.stages.measure.stage import Inputs
    from breakeven.stages.measure.stage import measure as stage

    spec = CellSpec(
        task_text=task, trained_as=trained_as, seed=seed, chain_text=chain, hardware_name=hardware, mode=mode
    )
    inputs = Inputs(artifact, reference, evaluation, reference_evaluation, data)
    _supervised(partial(stage, spec, inputs, output), hardware, timeout_min)


@app.command(rich_help_panel=STAGES)
def collect(
    board: Annotated[str, typer.Option(help="training or inference.")],
    output: Output,
    sources: Annotated[list[Path] | None, typer.Argument(help="Folders of cells.")] = None,
) -> None:
    """Collect the rows of all cells in one board."""
    from breakeven.stages.collect import collect as stage

    stage(board, sources or [], output)


def _supervised(stage: Callable[..., None], hardware: str | None, timeout_min: float | None) -> None:
    """Run a stage under the time limit of its job and, on a CPU, under the memory limit of its profile."""
    from breakeven.jobs import forkserver as server
    from breakeven.jobs import supervision
    from breakeven.machine.place import place, spread
    from breakeven.units import registry

    profile = registry.hardware(hardware) if hardware else None
    memory_gib = profile.memory_gib if profile and profile.accelerator == "cpu" else None
    server.preload()  # no work in a fork; by hand, later imports would count against the memory limit
    here = place() if profile and spread(profile) else None
    later = LATER_MIN if here and here.rank else 0
    limits = supervision.Limits(
        seconds=None if timeout_min is None else 60 * (timeout_min + later),
        memory_bytes=None if memory_gib is None else int(memory_gib * 2**30),
        among=f"rank {here.rank} on {here.node}" if here else None,
    )
    supervision.supervise(stage, limits)
