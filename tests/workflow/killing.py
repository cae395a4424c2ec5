"""Killed runs: SIGKILL to any process of a run, at random points, and then the same command again."""

from __future__ import annotations

import random
import signal
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from breakeven.stages.train.checkpoint import RECORD

POLL_S = 0.02
CHANGES = 20  # the most changes of the results folder before a process is killed
ATTEMPTS_LOST = 2  # attempts of one job: a job that loses a third attempt is rightly recorded as failed


@dataclass
class Killer(ABC):
    """Runs a grid, and kills processes of the run by random numbers."""

    path: Path  # path of the checkout
    command: list[str]
    environment: dict[str, str]
    draw: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    lost: int = 0  # attempts lost in the current run

    @abstractmethod
    def processes(self, driver: psutil.Process) -> dict[str, list[psutil.Process]]:
        """Find the processes of a run by their part in it: `snakemake`, `stage`, `rank` and others."""

    @property
    def results(self) -> Path:
        return self.path / "results"

    def run(self, kills: int) -> None:
        """Rerun the grid until `kills` processes have been killed, or until a run succeeds before that."""
        ended_well = False
        while self.killed.total() < kills and not ended_well:
            self.lost = 0
            with (self.path / f"run-{self.killed.total()}.log").open("w") as log:
                where = {"cwd": self.path, "env": self.environment, "stdout": log, "stderr": log}
                run = subprocess.Popen(self.command, **where)
                while self.killed.total() < kills and self._waited(run):
                    self.kill(psutil.Process(run.pid))
                ended_well = run.wait() == 0
            assert run.returncode in (0, 1, -signal.SIGKILL)

    def kill(self, driver: psutil.Process) -> str | None:
        """Kill a process of the least often killed part. Returns the part; None if the process has ended."""
        try:
            found = {part: there for part, there in self.processes(driver).items() if there}
        except psutil.NoSuchProcess:
            return None
        if self.lost == ATTEMPTS_LOST:
            found = {part: there for part, there in found.items() if part not in ("stage", "rank")}
        part = min(found, key=lambda part: (self.killed[part], part != "snakemake", self.draw.random()))
        try:
            self.draw.choice(found[part]).kill()
        except psutil.NoSuchProcess:
            return None
        self.killed[part] += 1
        self.lost += part in ("stage", "rank")
        return part

    def _waited(self, run: subprocess.Popen) -> bool:
        """Wait for the moment to kill a process. Returns False if the run has ended before."""
        moments = [self._next_checkpoint(), self._some_changes()]
        come = moments[0] if self.killed.total() < 2 else self.draw.choice(moments)
        while not come():
            try:
                run.wait(POLL_S)
                return False
            except subprocess.TimeoutExpired:
                continue
        return True

    def _next_checkpoint(self) -> Callable[[], bool]:
        before = self._checkpoints()
        return lambda: not self._checkpoints() <= before

    def _checkpoints(self) -> set[tuple[Path, int]]:
        return {(path, status[1]) for path, status in self._files() if path.name == RECORD}

    def _some_changes(self) -> Callable[[], bool]:
        left, last = self.draw.randint(1, CHANGES), set(self._files())

        def come() -> bool:
            nonlocal left, last
            now = set(self._files())
            left, last = left - (now != last), now
            return left <= 0

        return come

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for path in self.results.rglob("*") if self.results.exists() else ():
            try:
                status = path.stat()
            except OSError:  # the file is gone
                continue
            yield path, (status.st_size, status.st_mtime_ns)
