"""Checks this machine for causes of bad measurements, and names remedies. Does not import torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import psutil
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from breakeven.errors import UserError
from breakeven.trust.doctor import devices, machine, software
from breakeven.trust.doctor.finding import Finding, Level

Check = Callable[[], Finding | None]  # None where the check does not apply
CHECKS: list[Check] = [
    *(machine.governor, machine.turbo, machine.siblings, machine.cores, machine.quota, machine.virtual),
    *(machine.load, machine.free_memory, machine.swap, machine.peaks, machine.profiles),
    *(devices.gpu, devices.gpu_clock, devices.cpu_energy, devices.gpu_energy),
    *(software.task_data, software.cache_folder, software.results_folder, software.packages, software.variables),
]
SEVERITY = [Level.PROBLEM, Level.WARNING, Level.NOTE, Level.OK]
STYLES = {Level.OK: "green", Level.NOTE: "", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}
WIDTH = 120  # characters; longer lines of the table are hard to read
MEANING = {
    Level.PROBLEM: "mend the problems first: measuring is impossible, or gives wrong figures",
    Level.WARNING: "this machine can measure; mending the warnings makes its figures steadier",
    Level.NOTE: "this machine can measure",
    Level.OK: "this machine can measure",
}


def run(console: Console, checks: Sequence[Check] = CHECKS) -> int:
    """Run all checks and print their findings, then the remedies.

    Returns:
        The exit status: 1 if there is a problem, else 0.
    """
    findings = [found for check in checks if (found := look(check))]
    table = Table("", "check", "found", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in findings:
        table.add_row(Text(each.level, STYLES[each.level]), Text(each.check), Text(each.found))
    console.print(table, width=min(console.width, WIDTH))
    for each in sorted(findings, key=lambda each: SEVERITY.index(each.level)):
        if each.remedy:  # not wrapped, so that commands can be copied
            console.print(Text.assemble((f"{each.check}: ", STYLES[each.level]), each.remedy), soft_wrap=True)
    counts = Counter(each.level for each in findings)
    worst = next((level for level in SEVERITY if counts[level]), Level.OK)
    summary = ", ".join(_counted(level, counts[level]) for level in SEVERITY if counts[level])
    console.print(Text(f"\n{summary}: {MEANING[worst]}"), soft_wrap=True)
    return int(worst is Level.PROBLEM)


def look(check: Check) -> Finding | None:
    """Run a check. A file that cannot be read gives a note, and bad input of the user gives a problem."""
    name = check.__name__
    try:
        return check()
    except UserError as error:
        return Finding(name, Level.PROBLEM, str(error), "correct what the message names")
    except (OSError, psutil.Error) as error:
        return Finding(name, Level.NOTE, f"cannot be checked here: {error}")


def _counted(level: Level, count: int) -> str:
    return f"{count} {level}{'' if level is Level.OK or count == 1 else 's'}"
