"""The commands that measure a row again, or a task for the first time."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

from breakeven import protocol


def verify(row: pd.Series, folder: Path) -> str:
    """Measure an inference row again and say whether its speed-up lies within the interval that it published."""
    return f"breakeven verify {shlex.quote(row['cell_id'])} --published {shlex.quote(str(folder))}"


def rerun(row: pd.Series) -> str:
    """The workflow on the one cell of a row, in a folder of its own."""
    if "chain" in row:
        chains = [] if row["chain"] == protocol.REFERENCE else [row["chain"]]  # the reference is always measured
        axes = {"training": [], "trained_by": row["training"], "chains": chains, "hardware": [row["hardware"]]}
        axes["timing"] = row["mode"]
    else:
        axes = {"training": [row["training"]], "chains": [], "hardware": []}
    config = {"tasks": [row["task"]], "seeds": [row["seed"]]} | axes | {"results": "results/again"}
    words = [shlex.quote(f"{key}={spelled(value)}") for key, value in config.items()]
    return " ".join(["snakemake --cores all --config", *words, "--forceall"])


def first(task: str) -> str:
    """The workflow on a task that has no rows yet, in a folder of its own."""
    return f"snakemake --cores all --config 'tasks=[{task}]' results=results/{task}"


def spelled(value: object) -> str:
    """A value as Snakemake reads it."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
