"""The command line: verbs for people (`leaderboard`, `cheapest`, `verify`, …), and the verbs that the rules call."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from breakeven import environment
from breakeven.cli import stages
from breakeven.errors import UserError, did_you_mean

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Breakeven: when does making a model cheaper pay off? Run the workflow with `snakemake --cores all`.",
)
LOOK, TRUST = "Look", "Trust"


def run(arguments: list[str]) -> int:
    """Run a verb in this process. Returns its exit status: 2, with one line on standard error, for bad input."""
    try:
        app(arguments, prog_name="breakeven")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except UserError as error:
        print(f"breakeven: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if find_spec("torch"):  # the packages that run grids are installed: the cause is another
            raise
        print(f"breakeven: {arguments[0]} needs {error.name}: pip install 'breakeven[run]'", file=sys.stderr)
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
    from breakeven.cli import boards

    boards.render(results, Console())


@app.command("list", rich_help_panel=LOOK)
def list_units(kind: Annotated[str, typer.Argument(help="tasks, methods, hardware or all.")] = "all") -> None:
    """List the tasks, methods and hardware profiles found."""
    from breakeven.units import registry

    kinds = ("tasks", "methods", "hardware")
    if kind not in (*kinds, "all"):
        raise UserError(f"list '{kind}': {did_you_mean(kind, (*kinds, 'all'))}")
    for each in kinds if kind == "all" else (kind,):
        table = Table("name", "group", "file", title=each, title_justify="left")
        for unit in registry.units(each).values():
            table.add_row(unit.name, unit.group, os.path.relpath(unit.path))
        Console().print(table)


@app.command(rich_help_panel=LOOK)
def methods(
    name: Annotated[str | None, typer.Argument(help="A method, for its parameters and limits.")] = None,
) -> None:
    """Describe the methods: each method's change to the model, its runtime, the units it refuses, and its paper."""
    from breakeven.cli import units

    if name is None:
        units.render_methods(Console())
    else:
        units.render_method(name, Console())


@app.command(rich_help_panel=LOOK)
def tasks(
    name: Annotated[str | None, typer.Argument(help="A task, for its data, its model and its parameters.")] = None,
) -> None:
    """Describe the tasks: each task's data and licence, its metric and its target quality."""
    from breakeven.cli import units

    if name is None:
        units.render_tasks(Console())
    else:
        units.render_task(name, Console())


@app.command(rich_help_panel=LOOK)
def check(
    config: Annotated[Path, typer.Argument(help="A grid, such as workflow/config/smoke.yaml.")],
) -> None:
    """Check every key, name and parameter of a grid, and print the number of its cells."""
    from breakeven.grid import cells

    found = cells.expand(cells.read_config(config), str(config))
    print(f"{config}: {len(found.training_cells)} training cells, {len(found.inference_cells)} inference cells")


@app.command(rich_help_panel=LOOK)
def cheapest(
    inferences: Annotated[float, typer.Option(help="N, how many inferences are to be served, such as 1e8.")],
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    hardware: Annotated[str | None, typer.Option(help="Only this hardware profile.")] = None,
    scenario: Annotated[str | None, typer.Option(help="Only single_stream or offline.")] = None,
    unit: Annotated[str, typer.Option(help="usd, joules or hours (of the device).")] = "usd",
    served: Annotated[float, typer.Option(help="N0, inferences that the original has served before.")] = 0,
    min_quality: Annotated[float, typer.Option(help="Share of the reference's quality to be kept.")] = 0.99,
    max_latency_ms: Annotated[float | None, typer.Option(help="Limit of the median latency of a call.")] = None,
    max_memory_mb: Annotated[float | None, typer.Option(help="Limit of the peak memory above imports.")] = None,
    max_disk_mb: Annotated[float | None, typer.Option(help="Limit of the size of the file.")] = None,
    max_packed_mb: Annotated[float | None, typer.Option(help="Limit of its size packed by zstd.")] = None,
) -> None:
    """Name the cheapest method for a number of inferences, within limits of quality, latency and size."""
    from breakeven.cli.cheapest import render_cheapest
    from breakeven.scoring.cheapest import Demand

    limits = {
        "latency_p50_ms": max_latency_ms,
        "memory_above_baseline_bytes": None if max_memory_mb is None else max_memory_mb * 1e6,
        "disk_bytes": None if max_disk_mb is None else max_disk_mb * 1e6,
        "packed_bytes": None if max_packed_mb is None else max_packed_mb * 1e6,
    }
    only = {"task": task, "hardware": hardware, "scenario": scenario}
    demand = Demand(inferences=inferences, served=served, unit=unit)
    render_cheapest(results, only, demand, min_quality, limits, Console())


@app.command(rich_help_panel=LOOK)
def dashboard(
    results: Annotated[Path | None, typer.Argument(help="Folder of results.", envvar=environment.RESULTS)] = None,
    address: Annotated[str, typer.Option(help="Address to listen at; others can reach 0.0.0.0.")] = "localhost",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8501,
) -> None:
    """Open the dashboard in the browser."""
    from breakeven.plugins import REPOSITORY

    if results is not None:
        os.environ[environment.RESULTS] = str(results)
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "dashboard" / "app.py")]
    os.execv(sys.executable, [*command, f"--server.address={address}", f"--server.port={port}"])


@app.command(rich_help_panel=TRUST)
def validate(
    files: Annotated[list[Path], typer.Argument(help="Boards (.parquet), rows (.json), grids or profiles (.yaml).")],
) -> None:
    """Check files: their schema, their types, and that the figures of every row agree with one another."""
    from breakeven.trust import validation

    validation.report(files, Console())


@app.command(rich_help_panel=TRUST)
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results, of any machines.")],
    output: Annotated[Path, typer.Option(help="Folder for the boards that hold all of their rows.")],
) -> None:
    """Merge the boards of several machines. If a file is not valid, the command names it and changes nothing."""
    from breakeven.trust import merging

    merging.merge(folders, output, Console())


@app.command(rich_help_panel=TRUST)
def verify(
    rows: Annotated[list[str] | None, typer.Argument(help="Cell ids, or chains; all rows where none is given.")] = None,
    published: Annotated[Path, typer.Option(help="Folder of the results to verify.")] = Path("results/reference"),
    results: Annotated[Path, typer.Option(help="Folder for what is measured now.")] = Path("results/verify"),
    task: Annotated[str | None, typer.Option(help="Only rows of this task.")] = None,
    cores: Annotated[str, typer.Option(help="Of snakemake.")] = "all",
) -> None:
    """Repeat the measurement of published rows from their records, and check each speed-up against its interval."""
    from breakeven.plugins import REPOSITORY
    from breakeven.trust import verification

    if not find_spec("snakemake"):
        raise ModuleNotFoundError(name="snakemake")
    if not (REPOSITORY / "Snakefile").exists():
        raise UserError("verify runs the workflow, which is not in the wheel: run it from a clone of the repository")
    raise typer.Exit(verification.verify(rows or [], task, published, results, cores, Console()))


@app.command(rich_help_panel=TRUST)
def calibrate(
    hardware: Annotated[str, typer.Option(help="A hardware profile, such as cpu_1.")] = "cpu_1",
    repetitions: Annotated[int, typer.Option(help="Of the model that is timed beside itself.", min=1)] = 20,
) -> None:
    """Check the harness on this machine by methods with known results: planted, measured, interval, pass or fail."""
    from breakeven.trust import calibration

    raise typer.Exit(calibration.run(hardware, repetitions, Console()))


@app.command(rich_help_panel=TRUST)
def doctor() -> None:
    """List the things on this machine that will disturb measurements, and their remedies."""
    from breakeven.trust import doctor

    raise typer.Exit(doctor.run(Console()))


@app.command(hidden=True)
def forkserver(socket: Path) -> None:
    """Serve forks of a process that has imported the heavy libraries once."""
    from breakeven.jobs import forkserver as server

    server.serve(socket, run)


app.add_typer(stages.app)
