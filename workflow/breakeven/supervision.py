"""Runs a stage in a process of its own, under its limits, so that however that process ends there is a record of it."""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil

from breakeven import memory
from breakeven.errors import CellFailure, UserError, death, failure_of

ATTEMPTS = 3  # at a stage that the infrastructure fails; every other failure is final
PAUSE_S = 5.0  # before another attempt
GRACE_S = 5.0  # for a process to end once it has said its last word


@dataclass(frozen=True)
class Limits:
    """What a stage may take."""

    seconds: float | None = None
    memory_bytes: int | None = None  # above what its process holds after the imports


@dataclass(frozen=True)
class Attempt:
    """One go at a stage. Where `failure` is set the work is over: what is left is to record it."""

    number: int = 1
    failure: CellFailure | None = None

    def begin(self) -> None:
        """Raise the failure, if there is one: stages call it where their work would start."""
        if self.failure is not None:
            raise self.failure


def supervise(stage: Callable[[Attempt], None], limits: Limits, pause_s: float = PAUSE_S) -> None:
    """Run `stage` until it ends well, or record how it failed.

    A stage records the failures that it meets itself. It does not live to see its process killed, or its time run out,
    and a broken disk or network it leaves to be tried again: those are recorded by running it once more, with the
    failure given.

    Raises:
        UserError: as the stage raised it.
        SystemExit: the stage raised what no cell can be blamed for; its traceback is printed.
    """
    for number in range(1, ATTEMPTS + 1):
        failure = _attempt(stage, Attempt(number), limits)
        if failure is None:
            return
        if failure.status != "infra_error":
            break
        print(f"attempt {number} of {ATTEMPTS}: {failure.reason}", file=sys.stderr, flush=True)
        if number < ATTEMPTS:
            time.sleep(pause_s)
    stage(Attempt(number, failure))


def _attempt(stage: Callable[[Attempt], None], attempt: Attempt, limits: Limits) -> CellFailure | None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    oom_kills = memory.oom_kills()
    process = context.Process(target=_run, args=(theirs, stage, attempt, limits))
    process.start()
    theirs.close()
    try:
        if not ours.poll(limits.seconds):
            minutes = (limits.seconds or 0) / 60
            return CellFailure("timeout", f"not done after {minutes:g} minutes: raise timeout_min in the grid's config")
        ended = _received(ours)
        process.join(timeout=GRACE_S)
    finally:
        _kill(process)
    if ended is None:
        return death("the job's process", process.exitcode or 0, memory.oom_kills() - oom_kills)
    if isinstance(ended[0], UserError | SystemExit):
        raise ended[0]
    return ended[0]


def _received(pipe: Connection) -> tuple[Any] | None:
    try:
        return (pipe.recv(),)
    except (EOFError, ConnectionResetError):
        return None


def _kill(process: Any) -> None:
    """End what is left of a process and of those it started."""
    try:
        left = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        left = []
    for one in left:
        one.kill()
    process.join()


def _run(pipe: Connection, stage: Callable[[Attempt], None], attempt: Attempt, limits: Limits) -> None:
    """In the process of its own."""
    ended: BaseException | None = None
    try:
        if limits.memory_bytes is not None:
            memory.limit(limits.memory_bytes)
        stage(attempt)
    except UserError as error:
        ended = error
    except Exception as error:
        failure = failure_of(error)
        ended = failure if failure.status != "method_error" else SystemExit(1)
        if failure.status == "method_error":
            traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    pipe.send(ended)
