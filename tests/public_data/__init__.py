"""Small files in the true formats of tasks whose data no package index has: the contract holds for them too.

A module for each such task: `supply` puts its files where a user would, and `TEXT` is the text by which the task is
made, of a small network: those that such data is for take minutes here.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

TASKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def supply(task: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Files for the task in a folder, if none can be fetched; the text by which the task is made."""
    if task not in TASKS:
        return task
    module = import_module(f"{__name__}.{task}")
    module.supply(folder, patch)
    return module.TEXT
