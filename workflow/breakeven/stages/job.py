"""Shared parts of all jobs: the job's record, its failures as results, and the fields that all rows have."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from breakeven import files
from breakeven.errors import CellFailure, FinalFailure, Status, UserError, failure_of
from breakeven.files import write_json
from breakeven.hardware import HardwareProfile
from breakeven.jobs.supervision import Attempt
from breakeven.machine import load, provenance
from breakeven.results import JOB
from breakeven.rows import Row
from breakeven.task import Task

FIRST = Attempt()


class Job:
    """The times of a job; `work_s` counts only the seconds of training, compressing, evaluating or timing."""

    def __init__(self, stage: str, hardware: HardwareProfile, timed: bool) -> None:
        self.stage, self.timed, self.work_s = stage, timed, 0.0
        self.cores = hardware.cores
        self.started_at, self.load_before = provenance.now(), load.load_average()

    def write(self, folder: Path) -> None:
        """Write the record into the job's folder."""
        write_json({**vars(self), "finished_at": provenance.now()}, folder / JOB)

    def provenance(self, hardware: HardwareProfile) -> dict[str, Any]:
        """Return the provenance fields of a row that this job makes."""
        return {
            **provenance.provenance(hardware),
            "load_before": self.load_before,
            "load_after": load.load_average(),
            "started_at": self.started_at,
            "finished_at": provenance.now(),
        }


@contextmanager
def recorded(on_failure: Callable[[CellFailure], None]) -> Iterator[None]:
    """Record a failure inside a cell as its result.

    Bad input ends the job. So does a failing disk or other infrastructure, because another attempt may succeed.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure.status == Status.INFRA_ERROR and not isinstance(error, FinalFailure):
            raise failure from error
        if not isinstance(error, CellFailure):
            traceback.print_exc()
        print(f"{failure.status}: {failure.reason}", file=sys.stderr)
        on_failure(failure)


def require(reason: str | None, status: str) -> None:
    """Raise a failure with this status if there is a reason for it."""
    if reason:
        raise CellFailure(status, reason)


def identity(
    task_text: str, task: Task, training: str, hardware: HardwareProfile, seed: int, cell: list[Any]
) -> dict[str, Any]:
    """Return the fields that rows of both boards share, all known before any work; `cell` identifies the cell."""
    return {
        "cell_id": files.digest([task.version, hardware.name, *cell]),
        "task": task_text,
        "task_version": task.version,
        "trained_as": training,
        "hardware": hardware.name,
        "accelerator": hardware.accelerator,
        "threads": hardware.threads,
        "hardware_fingerprint": provenance.hardware_fingerprint(hardware),
        "watts": hardware.watts,
        "seed": seed,
        "metric": task.quality.metric,
        "metric_unit": task.quality.unit,
        "higher_is_better": task.quality.higher_is_better,
        **price(hardware),
    }


def price(hardware: HardwareProfile) -> dict[str, Any]:
    """Return the price of an hour on a profile, its source and the date on which it was read."""
    date = None if hardware.price_date is None else str(hardware.price_date)
    return {"usd_per_hour": hardware.usd_per_hour, "price_source": hardware.price_source, "price_date": date}


def fill(row: Row, values: dict[str, Any]) -> None:
    """Set fields of a row by their names."""
    for name, value in values.items():
        setattr(row, name, value)


def fill_quality(row: Row, evaluation: dict[str, Any]) -> None:
    """Copy an evaluation into a row."""
    row.quality, row.n_eval = evaluation["quality"], evaluation["n_eval"]
    row.quality_ci_low, row.quality_ci_high = evaluation["ci_low"], evaluation["ci_high"]
    row.other_metrics = as_json(evaluation["others"]) if evaluation["others"] else None


def as_json(content: Any) -> str:
    """Format as canonical JSON, for the parameters of a row."""
    return json.dumps(content, sort_keys=True)
