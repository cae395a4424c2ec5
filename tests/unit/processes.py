"""Waiting for a process that may be anybody's child."""

import os
from multiprocessing.connection import wait


def gone(pid: int) -> bool:
    """Whether a process ends within a minute, or has."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(wait([fd], 60))
    finally:
        os.close(fd)
