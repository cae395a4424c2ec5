"""Waits for a process that may be any process's child."""

import os
from multiprocessing.connection import wait

PATIENCE_S = 600  # ends a hanging test, and no test on a slow machine


def gone(pid: int) -> bool:
    """Wait until a process has ended; return False if that takes too long."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(wait([fd], PATIENCE_S))
    finally:
        os.close(fd)
