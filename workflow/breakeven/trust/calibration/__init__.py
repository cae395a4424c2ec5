"""Calibration: measures methods with known results, to check this machine and this harness.

`units/` is a content root like any other. Its runtimes are found only while a calibration runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from breakeven import plugins
from breakeven.errors import UserError
from breakeven.jobs import forkserver
from breakeven.machine import limits
from breakeven.trust.calibration.bench import Bench, make_models
from breakeven.trust.calibration.planted import Outcome, checks
from breakeven.units import registry

UNITS = str(Path(__file__).parent / "units")


def run(hardware_name: str, repetitions: int, console: Console) -> int:
    """Run every check on a hardware profile, and print the planted and the measured results.

    Returns:
        The exit code: 1 if a check failed.

    Raises:
        UserError: this machine cannot give the profile.
    """
    hardware = registry.hardware(hardware_name)
    if reason := limits.missing(hardware):
        raise UserError(f"calibrate --hardware {hardware_name}: {reason}")
    forkserver.preload()  # timed processes are forked from here, as in a run
    outcomes: dict[str, Outcome] = {}
    with prepared(hardware_name) as bench, _progress(console) as progress:
        task = progress.add_task("", total=None)
        for name, check in checks(repetitions).items():
            progress.update(task, description=name)
            outcomes[name] = outcome = check(bench)
            console.print(f"{'pass' if outcome.passed else 'FAIL'}  {name}: {outcome.measured}")
    console.print(_table(outcomes))
    failed = [name for name, outcome in outcomes.items() if not outcome.passed]
    console.print("All results are as planted." if not failed else f"Not as planted: {', '.join(failed)}.")
    if failed:
        console.print("`breakeven doctor` lists the properties of this machine that disturb measurements.")
    return int(bool(failed))


@contextmanager
def prepared(hardware_name: str) -> Iterator[Bench]:
    """Make the planted units known, and two models of the calibration's task in files."""
    plugins.__path__.append(UNITS)
    registry.forget()
    try:
        with tempfile.TemporaryDirectory(prefix="breakeven-") as folder:
            yield make_models(Path(folder), registry.hardware(hardware_name))
    finally:
        plugins.__path__.remove(UNITS)
        registry.forget()


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _table(outcomes: dict[str, Outcome]) -> Table:
    table = Table("", "check", "planted", "measured", "interval", title="Calibration", title_justify="left")
    for name, outcome in outcomes.items():
        verdict = "[green]pass[/]" if outcome.passed else "[red]FAIL[/]"
        table.add_row(verdict, name, outcome.planted, outcome.measured, outcome.interval)
    return table
