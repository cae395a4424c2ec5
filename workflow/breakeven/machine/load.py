"""Load of this machine by processes other than ours."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil


def load_average() -> float:
    """Number of processes that run or wait for a core, averaged over the last minute."""
    return os.getloadavg()[0]


class ForeignLoad:
    """Share of the machine that other processes used during a block, in percent of all its cores.

    Our processes are this one, the children it has waited for, and the running ones in `pids` with their children.
    """

    def __init__(self, pids: Sequence[int] = ()) -> None:
        named = [psutil.Process(pid) for pid in pids]
        self.processes = [psutil.Process(), *named, *(child for p in named for child in p.children(recursive=True))]
        self.percent = 0.0

    def begin(self) -> ForeignLoad:
        """Begin the window. Each call of `so_far` reads it, without a need to end it."""
        self.started, self.busy, self.own = time.perf_counter(), _busy_s(), self._own_s()
        return self

    def __enter__(self) -> ForeignLoad:
        return self.begin()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.percent = self.so_far()

    def so_far(self) -> float:
        """The share since the block began, in percent."""
        self.elapsed_s = time.perf_counter() - self.started
        foreign = (_busy_s() - self.busy) - (self._own_s() - self.own)
        return max(0.0, 100 * foreign / self.elapsed_s / (psutil.cpu_count() or 1))

    def _own_s(self) -> float:
        total = 0.0
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):  # ended: the parent that waited for it counts its time
                total += sum(process.cpu_times()[:4])
        return total


def _busy_s() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal
