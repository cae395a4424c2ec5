"""Schedules groups of tests. One process runs a whole group, because its tests share results. Long groups start first.

Groups that mostly wait (for daemons, time limits, SLURM) have separate processes, beside those that compute.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fnmatch import fnmatch

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from breakeven.units import registry

WAITING = 2  # processes for groups that wait
MOST = 4  # maximum of processes that compute
# Start order of the groups. A file is a group unless `group` says otherwise.
WAITS = (
    "tests/cluster",
    "tests/workflow/test_kills.py",
    "tests/unit/stages/test_statuses.py",
    "tests/unit/jobs/test_supervision.py",
)
LONG = (
    *("tests/calibration/*", "tests/workflow/run", "tests/workflow/test_walkthroughs.py"),
    *("tests/contract/test_methods.py *", "tests/contract/test_resume.py", "tests/contract/test_training.py *"),
    *("tests/contract/*", "tests/dashboard/test_browser.py", "tests/unit/methods/*", "tests/unit/tasks/*"),
    *("tests/workflow/*", "tests/dashboard/*"),
)


def group(nodeid: str) -> str:
    """Return a test's group: its file; in the contracts, file and task. Cluster and the shared run have one each."""
    path, _, test = nodeid.partition("::")
    if path.startswith("tests/cluster/"):
        return "tests/cluster"
    if path in ("tests/workflow/test_run.py", "tests/workflow/test_verify.py"):
        return "tests/workflow/run"
    if path.startswith("tests/contract/"):
        tasks = [part for part in re.split(r"[\[\]-]", test) if part in registry.units("tasks")]
        return " ".join([path, *tasks[:1]])
    return path


def rank(nodeid: str) -> tuple[int, str]:
    """Return the sort key of a test, which keeps the tests of a group together."""
    name = group(nodeid)
    patterns = (*WAITS, *LONG)
    return next((i for i, each in enumerate(patterns) if fnmatch(name, each)), len(patterns)), name


def processes() -> int:
    """Return the number of processes to start: one per core, and those for groups that wait."""
    return min(os.cpu_count() or 1, MOST) + WAITING


class Scheduling(LoadScopeScheduling):
    """Gives each process the next group of its kind. At the end, computing processes also take groups that wait."""

    waiting: frozenset[WorkerController] = frozenset()

    def schedule(self) -> None:
        """Distribute the groups in the order of their tests."""
        self.config.option.loadscopereorder = False
        if self.collection is None and len(self.nodes) > WAITING:
            self.waiting = frozenset(self.nodes[-WAITING:])
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if (name := self._next(node)) is not None:
            self.workqueue.move_to_end(name, last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if self.workqueue and self._next(node) is None and not node.shutting_down:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _next(self, node: WorkerController) -> str | None:
        """Return the next group for a process, or None if no group is left for it."""
        waits: Callable[[str], bool] = WAITS.__contains__
        if node in self.waiting:
            return next(filter(waits, self.workqueue), None)
        return next((name for name in self.workqueue if not waits(name)), next(iter(self.workqueue), None))
