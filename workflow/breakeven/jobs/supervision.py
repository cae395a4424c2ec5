"""Supervision of a stage: it runs in its own process, under limits, and is recorded however that process ends."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from breakeven.errors import CellFailure, FinalFailure, UserError, death, failure_of
from breakeven.machine import memory
from breakeven.machine.processes import GRACE_S, adopt_orphans, die_with_parent

ATTEMPTS = 3  # at a stage that fails by its infrastructure; every other failure is final
PAUSE_S = 5.0  # before another attempt


@dataclass(frozen=True)
class Limits:
    """Limits of a stage."""

    seconds: float | None = None
    memory_bytes: int | None = None  # above the memory of its process after the imports
    among: str | None = None  # this process's rank, for messages; None: not one of several ranks


@dataclass(frozen=True)
class Attempt:
    """One attempt at a stage. If `failure` is set, the work is over and only the failure remains to be recorded."""

    number: int = 1
    failure: CellFailure | None = None

    def begin(self) -> None:
        """Raise the failure if there is one. Stages call this method where their work starts."""
        if self.failure is not None:
            raise FinalFailure(self.failure.status, self.failure.reason)


def supervise(stage: Callable[[Attempt], None], limits: Limits) -> None:
    """Run `stage` until it succeeds, or record its failure.

    A stage records its own failures, with three exceptions. It cannot record that its process was killed or that its
    time ran out, and it leaves a broken disk or network to a retry. To record those, this function runs the stage once
    more and passes the failure. A multi-node rank is not retried; it exits and srun stops the rest.

    Raises:
        UserError: as the stage raised it.
        SystemExit: the stage raised an error that is not the cell's fault; its traceback is printed. Or the
            infrastructure failed a multi-node rank.
    """
    for number in range(1, ATTEMPTS + 1):
        failure = _attempt(stage, Attempt(number), limits)
        if failure is None:
            return
        if failure.status != "infra_error":
            break
        if limits.among is not None:
            print(f"{failure.status}: {failure.reason}", file=sys.stderr, flush=True)
            raise SystemExit(1)
        print(f"attempt {number} of {ATTEMPTS}: {failure.reason}", file=sys.stderr, flush=True)
        if number < ATTEMPTS:
            time.sleep(PAUSE_S)
        else:
            failure = CellFailure(failure.status, f"{ATTEMPTS} attempts failed; the last: {failure.reason}")
    stage(Attempt(number, failure))


def _attempt(stage: Callable[[Attempt], None], attempt: Attempt, limits: Limits) -> CellFailure | None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    oom_kills, others = memory.oom_kills(), set(psutil.Process().children())
    adopt_orphans()  # of the stage's process
    process = context.Process(target=_run, args=(theirs, stage, attempt, limits))
    process.start()
    theirs.close()
    try:
        said = _last_word(ours, process, limits.seconds)
    except TimeoutError:
        minutes = (limits.seconds or 0) / 60
        return CellFailure("timeout", f"not done after {minutes:g} minutes: raise timeout_min in the grid's config")
    finally:
        _end(process, others)
    if said is None:
        who = "the job's process" if limits.among is None else f"the process of {limits.among}"
        return death(who, process.exitcode or 0, memory.oom_kills() - oom_kills)
    if isinstance(said[0], UserError | SystemExit):
        raise said[0]
    return said[0]


def _last_word(pipe: Connection, process: Any, seconds: float | None) -> tuple[Any] | None:
    """The message that the process sent before it ended, in a tuple; None if it ended without a message.

    Raises:
        TimeoutError: the process neither sent a message nor ended in time.
    """
    # A pidfd shows the end. The pipe's end and the process's `sentinel` do not: its children keep both open.
    ended = os.pidfd_open(process.pid)
    try:
        ready = wait([pipe, ended], seconds)
        if not ready:
            raise TimeoutError
        said = _received(pipe) if pipe in ready else None
        wait([ended], GRACE_S)
    finally:
        os.close(ended)
    return said


def _received(pipe: Connection) -> tuple[Any] | None:
    try:
        return (pipe.recv(),)
    except (EOFError, ConnectionResetError):
        return None


def _end(process: Any, others: set[psutil.Process]) -> None:
    """Kill a process and all that it has started: every child of this process except the `others`."""
    process.kill()
    process.join()
    while left := set(psutil.Process().children()) - others:  # a killed child's children become this process's
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left)


def _run(pipe: Connection, stage: Callable[[Attempt], None], attempt: Attempt, limits: Limits) -> None:
    """Run the stage in its own process, and send its error, or None, through the pipe."""
    die_with_parent()
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
