"""The prepare stage: a task's data on this machine, and the record of its hash."""

from __future__ import annotations

from pathlib import Path

from breakeven.files import write_json
from breakeven.units import registry


def prepare(task_text: str, output: Path) -> None:
    """Obtain and prepare a task's data; write its hash into the record `output`."""
    task = registry.task(task_text)
    write_json({"task": task_text, "dataset_sha256": task.prepare()}, output)
