"""Commands that measure a row again, or a task for the first time."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

from breakeven import protocol


def verify(row: pd.Series, folder: Path) -> str:
    """Return the command that measures an inference row again and compares the speed-up with its interval."""
    return f"breakeven verify {shlex.quote(row['cell_id'])} --published {shlex.quote(str(folder))}"


def rerun(row: pd.Series) -> str:
    """Return the command that runs the workflow on the cell of a row, in a results folder of its own."""
    if "chain" in row:
        chains = [] if row["chain"] == protocol.REFERENCE else [row["chain"]]  # the reference is always measured
        axes = {"training_cells": [], "trained_as": row["trained_as"], "chains": chains, "hardware": [row["hardware"]]}
        axes["mode"] = row["mode"]
    else:
        axes = {"training_cells": [row["trained_as"]], "chains": [], "hardware": []}
    config = {"tasks": [row["task"]], "seeds": [row["seed"]]} | axes | {"results": "results/again"}
    words = [shlex.quote(f"{key}={spelled(value)}") for key, value in config.items()]
    return " ".join(["snakemake --cores all --config", *words, "--forceall"])


def first(task: str) -> str:
    """Return the command that runs the workflow on a task without rows, in a results folder of its own."""
    return f"snakemake --cores all --config 'tasks=[{task}]' results=results/{task}"


def spelled(value: object) -> str:
    """Format a value as Snakemake reads it."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
