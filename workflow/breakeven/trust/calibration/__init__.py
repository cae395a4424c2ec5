"""Methods whose truth is known, measured as any cell is: what this machine and this harness can be trusted with.

`units/` is a content root like any other; its runtimes exist only while a calibration runs.
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
from breakeven.trust.calibration.planted import Finding, checks
from breakeven.units import registry

UNITS = str(Path(__file__).parent / "units")


def run(hardware_name: str, repetitions: int, console: Console) -> int:
    """Run every check on a hardware profile and print what was planted and what was found; 1 where one failed.

    Raises:
        UserError: this machine cannot give the profile.
    """
    hardware = registry.hardware(hardware_name)
    if reason := limits.missing(hardware):
        raise UserError(f"calibrate --hardware {hardware_name}: {reason}")
    forkserver.preload()  # what is timed is forked from here, as in a run
    found: dict[str, Finding] = {}
    with prepared(hardware_name) as bench, _progress(console) as progress:
        task = progress.add_task("", total=None)
        for name, check in checks(repetitions).items():
            progress.update(task, description=name)
            found[name] = check(bench)
            console.print(f"{'pass' if found[name].passed else 'FAIL'}  {name}: {found[name].measured}")
    console.print(_table(found))
    failed = [name for name, finding in found.items() if not finding.passed]
    console.print("All of them are measured as they are." if not failed else f"Not as planted: {', '.join(failed)}.")
    if failed:
        console.print("`breakeven doctor` says what on this machine hurts measurements.")
    return int(bool(failed))


@contextmanager
def prepared(hardware_name: str) -> Iterator[Bench]:
    """The planted units within reach, and two models of the calibration's task in files."""
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


def _table(found: dict[str, Finding]) -> Table:
    table = Table("", "check", "planted", "measured", "interval", title="Calibration", title_justify="left")
    for name, finding in found.items():
        verdict = "[green]pass[/]" if finding.passed else "[red]FAIL[/]"
        table.add_row(verdict, name, finding.planted, finding.measured, finding.interval)
    return table
