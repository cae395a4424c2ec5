"""The compress stage: one step of a chain turns an artifact into the next one."""

from __future__ import annotations

from pathlib import Path

from breakeven.errors import CellFailure, Status
from breakeven.files import folder_aside
from breakeven.jobs.supervision import Attempt
from breakeven.stages import artifact as artifacts
from breakeven.stages.artifact import Artifact
from breakeven.stages.compress.context import make_context
from breakeven.stages.compress.step import run_step
from breakeven.stages.job import FIRST, Job, recorded
from breakeven.units import registry


def compress(
    task_text: str, step: str, seed: int, hardware_name: str, source: Path, output: Path, attempt: Attempt = FIRST
) -> None:
    """Apply one step of a chain to the artifact in the folder `source`; write the next artifact into `output`."""
    task, hardware = registry.task(task_text), registry.hardware(hardware_name)
    job = Job("compress", hardware, timed=False)
    with folder_aside(output) as folder:
        with recorded(lambda failure: artifacts.write(_failed(failure), folder)):
            attempt.begin()
            job.work_s = run_step(step, hardware, source, folder, make_context(task, seed, hardware))
        job.write(folder)


def _failed(failure: CellFailure) -> Artifact:
    return Artifact(status=Status(failure.status), reason=failure.reason)
