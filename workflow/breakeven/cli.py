"""The command line: what people ask (`leaderboard`, `list`, `check`), and the verbs that the workflow's rules call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from breakeven.errors import UserError, did_you_mean

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Breakeven: when does making a model cheaper pay off? Run the workflow with `snakemake --cores all`.",
)
LOOK, STAGES = "Look", "Stages, called by the workflow's rules"

Task = Annotated[str, typer.Option(help="A task, such as fashion_mnist; parameters follow as -name=value.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Hardware = Annotated[str, typer.Option(help="A hardware profile, such as cpu_1.")]
Chain = Annotated[str, typer.Option(help="A chain, such as channel_pruning-ratio=0.5+int8_static.")]
Source = Annotated[Path, typer.Option(help="Folder of the artifact to start from.")]
Data = Annotated[Path, typer.Option(help="Record of the task's prepared data.")]
Output = Annotated[Path, typer.Option(help="What to write.")]
Timeout = Annotated[float | None, typer.Option(help="Minutes after which the job is ended and recorded as timeout.")]


def run(arguments: list[str]) -> int:
    """Run a verb in this process; its exit status: 2 and one line for bad input."""
    try:
        app(arguments, prog_name="breakeven")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except UserError as error:
        print(f"breakeven: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        print(
            f"breakeven: {error.filename}: {error.strerror}: check the path and its permissions",
            file=sys.stderr,
        )
        return 2
    return 0


@app.command(rich_help_panel=LOOK)
def leaderboard(
    results: Annotated[Path, typer.Argument(help="Folder of results.")] = Path("results"),
) -> None:
    """Print the ranked boards."""
    from breakeven import terminal

    terminal.render(results, Console())


@app.command("list", rich_help_panel=LOOK)
def list_units(kind: Annotated[str, typer.Argument(help="tasks, methods, hardware or all.")] = "all") -> None:
    """List the tasks, methods and hardware profiles found."""
    from breakeven import registry

    kinds = ("tasks", "methods", "hardware")
    if kind not in (*kinds, "all"):
        raise UserError(f"list '{kind}': {did_you_mean(kind, (*kinds, 'all'))}")
    for each in kinds if kind == "all" else (kind,):
        table = Table("name", "group", "file", title=each, title_justify="left")
        for unit in registry.units(each).values():
            table.add_row(unit.name, unit.group, os.path.relpath(unit.path))
        Console().print(table)


@app.command(rich_help_panel=LOOK)
def check(
    config: Annotated[Path, typer.Argument(help="A grid, such as workflow/config/smoke.yaml.")],
) -> None:
    """Check a grid: every key, name and parameter; say how many cells it has."""
    from breakeven import grid

    found = grid.expand(grid.read_config(config), str(config))
    print(f"{config}: {len(found.trainings)} training cells, {len(found.cells)} inference cells")


@app.command(rich_help_panel=STAGES)
def data(task: Task, output: Output) -> None:
    """Obtain and prepare the data of a task."""
    from breakeven import stages

    stages.prepare(task, output)


@app.command(rich_help_panel=STAGES)
def train(
    task: Task,
    method: Annotated[str, typer.Option(help="A training method, such as single_device.")],
    hardware: Hardware,
    seed: Seed,
    data: Data,
    output: Output,
    timed: Annotated[bool, typer.Option("--timed", help="Nothing else runs beside it: its times count.")] = False,
    timeout_min: Timeout = None,
) -> None:
    """Train the model of a task."""
    from breakeven import stages

    _supervised(partial(stages.train, task, method, hardware, seed, data, timed, output), hardware, timeout_min)


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
    from breakeven import stages

    _supervised(partial(stages.compress, task, step, seed, hardware, source, output), hardware, timeout_min)


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
    from breakeven import stages

    _supervised(partial(stages.evaluate, task, chain, accelerator, source, output), None, timeout_min)


@app.command(rich_help_panel=STAGES)
def measure(
    task: Task,
    training: Annotated[str, typer.Option(help="method@hardware of the model's training.")],
    seed: Seed,
    chain: Chain,
    hardware: Hardware,
    mode: Annotated[str, typer.Option(help="quick or full.")],
    artifact: Annotated[Path, typer.Option(help="Folder of the cell's artifact.")],
    reference: Annotated[Path, typer.Option(help="Folder of the trained model.")],
    evaluation: Annotated[Path, typer.Option(help="Folder of the cell's evaluation.")],
    reference_evaluation: Annotated[Path, typer.Option(help="Folder of the trained model's evaluation.")],
    data: Data,
    output: Output,
    timeout_min: Timeout = None,
) -> None:
    """Time a cell beside its reference. Nothing else should run on the machine."""
    from breakeven import cell

    inputs = cell.Inputs(artifact, reference, evaluation, reference_evaluation, data)
    stage = partial(cell.measure, task, training, seed, chain, hardware, mode, inputs, output)
    _supervised(stage, hardware, timeout_min)


@app.command(rich_help_panel=STAGES)
def collect(
    kind: Annotated[str, typer.Option(help="training or inference.")],
    output: Output,
    sources: Annotated[list[Path] | None, typer.Argument(help="Folders of cells.")] = None,
) -> None:
    """Unite the rows of all cells into one board."""
    from breakeven import cell

    cell.collect(kind, sources or [], output)


def _supervised(stage: Callable[..., None], hardware: str | None, timeout_min: float | None) -> None:
    """Run a stage under the memory of its profile, where that is a CPU's, and the time of its job."""
    from breakeven import registry, supervision

    profile = registry.hardware(hardware) if hardware else None
    memory_gib = profile.memory_gib if profile and profile.accelerator == "cpu" else None
    limits = supervision.Limits(
        seconds=None if timeout_min is None else 60 * timeout_min,
        memory_bytes=None if memory_gib is None else int(memory_gib * 2**30),
    )
    supervision.supervise(stage, limits)


@app.command(hidden=True)
def forkserver(socket: Path) -> None:
    """Serve forks of a process that has imported the heavy libraries."""
    from breakeven import forkserver as server

    server.serve(socket, run)
