"""Waiting for a process that may be anybody's child."""

import os
from multiprocessing.connection import wait

PATIENCE_S = 600  # it ends tests that hang, and none on a slow machine


def gone(pid: int) -> bool:
    """Whether a process ends, or has."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(wait([fd], PATIENCE_S))
    finally:
        os.close(fd)
