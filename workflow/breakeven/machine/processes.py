"""Ties between processes, so that no process outlives the one that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal

GRACE_S = 5.0  # seconds that a process has to end, once it has reported
PDEATHSIG, CHILD_SUBREAPER = 1, 36  # prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process, forked by `multiprocessing`, when the process that forked it ends."""
    _prctl(PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it had ended before
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Have the kernel make processes that a child leaves behind children of this process."""
    _prctl(CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
