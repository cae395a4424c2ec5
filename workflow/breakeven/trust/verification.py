"""Measures published rows again and compares the results (protocol, section 7.6: `verified`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from breakeven.errors import Status, UserError, did_you_mean
from breakeven.grid import cells
from breakeven.machine import limits
from breakeven.plugins import REPOSITORY
from breakeven.protocol import PROTOCOL_VERSION
from breakeven.rows import BOARD_FILES, InferenceRow, read_rows
from breakeven.units import registry

INSIDE, OVERLAPS, OUTSIDE = "inside", "outside, the intervals overlap", "outside"
COLOURS = {INSIDE: "green", OVERLAPS: "yellow"}
FILE = BOARD_FILES[InferenceRow]


@dataclass(frozen=True)
class Verdict:
    """The comparison of a published row with a new measurement of the same cell."""

    published: InferenceRow
    now: InferenceRow | None

    @property
    def text(self) -> str:
        """`inside` if the new speed-up lies in the published interval, else how the two differ."""
        then, now = self.published, self.now
        if now is None or now.status != Status.OK:
            return f"{now.status}: {now.reason}" if now else "no row: its job failed, see its log"
        if then.speedup_ci_low is None or then.speedup_ci_high is None or now.speedup is None:
            return "the published row has no interval"
        if then.speedup_ci_low <= now.speedup <= then.speedup_ci_high:
            return INSIDE
        low, high = now.speedup_ci_low or now.speedup, now.speedup_ci_high or now.speedup
        return OVERLAPS if low <= then.speedup_ci_high and high >= then.speedup_ci_low else OUTSIDE

    @property
    def refuted(self) -> bool:
        """The row could not be measured again, or the two intervals do not overlap."""
        return self.text not in (INSIDE, OVERLAPS)


def verify(wanted: list[str], task: str | None, published: Path, results: Path, cores: str, console: Console) -> int:
    """Measure the wanted rows of `published` again into `results`, and print a verdict on each.

    Args:
        wanted: beginnings of cell ids, or chains; empty for all rows.

    Returns:
        The exit code: 1 if a row is refuted.

    Raises:
        UserError: no row fits, or this machine cannot measure them; raised before any work starts.
    """
    rows = choose(read_rows(published / FILE, InferenceRow), wanted, task, published)
    configs = list(configurations(rows))
    for config in configs:
        _require_same_task(config, rows)
        cells.expand(config, f"{published / FILE}: rows of {config['tasks'][0]}")
    measured: list[InferenceRow] = []
    for config in configs:
        _run({**config, "results": str(results.absolute())}, cores)
        measured += read_rows(results / FILE, InferenceRow)
    verdicts = [Verdict(row, _same_cell(row, measured)) for row in rows]
    console.print(_table(verdicts))
    refuted = sum(verdict.refuted for verdict in verdicts)
    console.print(f"{sum(v.text == INSIDE for v in verdicts)} of {len(verdicts)} inside the published interval.")
    console.print(f"To publish both: breakeven merge {published} {results} --output FOLDER", soft_wrap=True)
    return int(refuted > 0)


def choose(rows: list[InferenceRow], wanted: list[str], task: str | None, published: Path) -> list[InferenceRow]:
    """The measured rows that are wanted.

    Raises:
        UserError: no row was measured, or a wanted name fits no row.
    """
    rows = [row for row in rows if row.status == Status.OK and task in (None, row.task)]
    if not rows:
        raise UserError(f"{published / FILE}: no measured row{f' of task {task}' if task else ''}: name another")
    for name in wanted:
        if not any(_fits(row, name) for row in rows):
            known = sorted({row.chain for row in rows})
            raise UserError(
                f"{published / FILE}: no row '{name}': give a cell id or a chain, {did_you_mean(name, known)}"
            )
    return [row for row in rows if not wanted or any(_fits(row, name) for name in wanted)]


def configurations(rows: list[InferenceRow]) -> Iterator[dict[str, Any]]:
    """Grids that measure the rows again: one for each model, hardware profile and mode."""
    groups: dict[tuple[str, int, str, str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.task, row.seed, row.trained_as, row.hardware, row.mode), []).append(row.chain)
    for (task, seed, training, hardware, mode), chains in groups.items():
        yield {
            "tasks": [task],
            "seeds": [seed],
            "training_cells": [],
            "trained_as": training,
            "chains": list(dict.fromkeys(chains)),
            "hardware": [hardware],
            "mode": mode,
            "timeout_min": 24 * 60,
        }


def _require_same_task(config: dict[str, Any], rows: list[InferenceRow]) -> None:
    """Raise if this version of Breakeven would measure something else under the same name."""
    name, hardware = config["tasks"][0], config["hardware"][0]
    if reason := limits.missing(registry.hardware(hardware)):
        raise UserError(f"hardware {hardware}: {reason}: verify its rows on a machine that has it")
    here = registry.task(name).version
    for row in rows:
        if row.task == name and (row.task_version, row.protocol_version) != (here, PROTOCOL_VERSION):
            raise UserError(
                f"row {row.cell_id}: measured with version {row.task_version} of {name} under protocol"
                f" {row.protocol_version}; here these are {here} and {PROTOCOL_VERSION}: check out {row.git_commit}"
            )


def _run(config: dict[str, Any], cores: str) -> None:
    """Run the workflow on a grid. All its cells are measured again, whatever results exist."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--cores", cores, "--configfile", str(path)]
        done = subprocess.run([*command, "--forcerun", "measure"], cwd=REPOSITORY)
    if done.returncode:
        raise UserError(f"snakemake ended with status {done.returncode}: see its messages above")


def _fits(row: InferenceRow, name: str) -> bool:
    return row.chain == name or (len(name) >= 4 and row.cell_id.startswith(name))


def _same_cell(row: InferenceRow, measured: list[InferenceRow]) -> InferenceRow | None:
    return next((new for new in measured if (new.cell_id, new.scenario) == (row.cell_id, row.scenario)), None)


def _table(verdicts: list[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("task", "chain", "scenario", "published", "now", "quality", "ratio now"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        then, now = verdict.published, verdict.now
        table.add_row(
            then.task,
            then.chain,
            then.scenario,
            _ratio(then),
            _ratio(now) if now else "–",
            f"{_quality(then)}, {_quality(now)}",
            f"[{COLOURS.get(verdict.text, 'red')}]{verdict.text}[/]",
        )
    return table


def _ratio(row: InferenceRow) -> str:
    if row.speedup is None:
        return "–"
    interval = "" if row.speedup_ci_low is None else f" [{row.speedup_ci_low:.3f}, {row.speedup_ci_high:.3f}]"
    return f"{row.speedup:.3f}×{interval}".replace("[", "\\[")


def _quality(row: InferenceRow | None) -> str:
    return "–" if row is None or row.quality is None else f"{row.quality:.4f}"
