"""Groups of tests: a group has one process, since its tests share what they have made. Long groups start first.

Groups that mostly wait (for daemons, time limits, SLURM) have processes of their own, beside those that compute.
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
MOST = 4  # processes that compute
# In this order; one file is one group unless `group` says otherwise.
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
    """The group of a test: its file; in the contracts, file and task; one for the cluster, one for the shared run."""
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
    """The key by which tests are sorted: those of a group follow each other."""
    name = group(nodeid)
    patterns = (*WAITS, *LONG)
    return next((i for i, each in enumerate(patterns) if fnmatch(name, each)), len(patterns)), name


def processes() -> int:
    """How many to start: one for each core, and those for groups that wait."""
    return min(os.cpu_count() or 1, MOST) + WAITING


class Scheduling(LoadScopeScheduling):
    """Gives each process the next group of its kind; those that compute help with the waiting at the end."""

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
        """The group that a process is to have, or None where there is none for it."""
        waits: Callable[[str], bool] = WAITS.__contains__
        if node in self.waiting:
            return next(filter(waits, self.workqueue), None)
        return next((name for name in self.workqueue if not waits(name)), next(iter(self.workqueue), None))
