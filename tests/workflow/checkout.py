"""A copy of the repository's surface, with its own units, for runs of Snakemake."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SURFACE = ["Snakefile", "workflow", "tasks", "methods", "hardware", "profiles", "requirements.lock"]

GRID = {
    "tasks": ["mandarin_initials"],
    "seeds": [0],
    "training_cells": ["single_device@cpu_1"],
    "trained_as": "single_device@cpu_1",
    "chains": ["onnxruntime", "int8_static", "unchanged", "broken"],
    "hardware": ["cpu_1", "cuda_1"],
    "mode": "quick",
    "results": "results",
}

UNCHANGED = '''"""Gives the model back as it is."""
from copy import deepcopy
from pydantic.dataclasses import dataclass
from breakeven.method import CompressionMethod

@dataclass(frozen=True)
class Unchanged(CompressionMethod):
    reference = "none"

    def compress(self, model, context):
        return deepcopy(model)
'''
BROKEN = '''"""Fails."""
from pydantic.dataclasses import dataclass
from breakeven.method import CompressionMethod

@dataclass(frozen=True)
class Broken(CompressionMethod):
    reference = "none"

    def compress(self, model, context):
        raise RuntimeError("planted in the test")
'''


@dataclass
class Checkout:
    """A folder with the repository's surface, its own `.snakemake`, and its own units on $BREAKEVEN_PATH."""

    path: Path

    @property
    def units(self) -> Path:
        return self.path / "units"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "BREAKEVEN_PATH": str(self.units)}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run or dry-run the workflow to its end."""
        return subprocess.run(
            self.command(*arguments), cwd=self.path, env=self.environment, capture_output=True, text=True
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Number of planned jobs per rule, from a dry run."""
        done = self.snakemake("-n", "--quiet", "host", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        if "Job stats:" not in lines:
            return {}
        table = lines[lines.index("Job stats:") + 3 :]
        counts = [line.split() for line in table[: table.index("")]]
        return {name: int(count) for name, count in counts if name not in ("all", "total")}


def make_checkout(path: Path) -> Checkout:
    path.mkdir()
    for name in SURFACE:
        if (ROOT / name).exists():
            (path / name).symlink_to(ROOT / name)
    methods = path / "units" / "methods" / "compression"
    methods.mkdir(parents=True)
    (methods / "unchanged.py").write_text(UNCHANGED)
    (methods / "broken.py").write_text(BROKEN)
    (path / "grid.yaml").write_text(yaml.safe_dump(GRID))
    return Checkout(path)


@dataclass
class Run:
    """A run that was killed after the training of its first model, and then rerun to its end."""

    checkout: Checkout
    model_at_kill: int  # time of the model's record, in ns
    finished: subprocess.CompletedProcess

    @property
    def results(self) -> Path:
        return self.checkout.path / "results"
