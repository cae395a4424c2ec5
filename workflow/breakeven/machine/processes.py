"""Ties between processes, so that no process outlives the one that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal

GRACE_S = 5.0  # seconds that a process has to end after its report
PDEATHSIG, CHILD_SUBREAPER = 1, 36  # prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process, which `multiprocessing` forked, when its parent ends."""
    _prctl(PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # the parent ended before
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent, a descendant of this process, has ended."""
    _prctl(CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
