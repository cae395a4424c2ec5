"""Start of a run on a cluster: it cancels jobs of an earlier run and removes old results, so none is taken for new."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from breakeven.errors import UserError
from breakeven.jobs import snakemake
from breakeven.results import SLURM_RUN

PATIENCE_S = 120.0  # for cancelled jobs to leave the queue
PAUSE_S = 1.0


def begin(workflow: Any, results: Path) -> None:
    """Prepare the results folder before the first job; the caller holds the folder's lock.

    Raises:
        UserError: SLURM does not list the jobs of an earlier run, or these jobs do not end.
    """
    record = results / SLURM_RUN
    if record.exists() and shutil.which("squeue"):
        cancel(record.read_text().strip(), results)
    if workflow.local_exec:
        return
    record.write_text(snakemake.run_name(workflow))
    snakemake.keep_results(workflow)


def cancel(name: str, results: Path) -> None:
    """Cancel this user's SLURM jobs of that name, if there are any, and wait until they have left the queue.

    Raises:
        UserError: SLURM does not answer, or the jobs do not end.
    """
    found = _queued(name) if name else []
    if not found:
        return
    which = f"{results}: SLURM jobs of an earlier run, whose driver is gone: {', '.join(found)}"
    _ask("scancel", *_selection(name))
    deadline = time.monotonic() + PATIENCE_S
    while _queued(name):
        if time.monotonic() > deadline:
            raise UserError(f"{which}: cancelled, but still in the queue: run again when squeue shows them no more")
        time.sleep(PAUSE_S)
    print(f"{which}: cancelled", file=sys.stderr)


def _queued(name: str) -> list[str]:
    return _ask("squeue", "--noheader", "--format=%A", *_selection(name)).split()


def _selection(name: str) -> list[str]:
    return [f"--user={os.getuid()}", f"--name={name}"]


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = f"{' '.join(command)}: {done.stderr.strip()}"
        raise UserError(f"{said}: jobs of an earlier run may be at work: run again when SLURM answers")
    return done.stdout
