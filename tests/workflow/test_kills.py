"""SIGKILL at random points of a run, to any of its processes; the same command again completes the board."""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml
from checkout import ROOT, Checkout, make_checkout

from breakeven.checkpoint import RECORD
from breakeven.record import InferenceRow, Status, TrainingRow, read_rows

pytestmark = pytest.mark.slow
SLOW = "planted_initials-cause=slow"
GRID = {
    "tasks": [SLOW],
    "training": ["single_device@cpu_1", "ddp@cpu_2x1"],
    "trained_by": "single_device@cpu_1",
    "chains": ["planted_step"],
    "hardware": ["cpu_1"],
    "timing": "brief",
    "results": "results",
}
POLL_S = 0.02
STEP_S = 0.05  # at least, of the slow training
CHANGES = 40  # of the results folder, at most, before a process is killed
ATTEMPTS_LOST = 2  # of one job: after a third it is recorded as failed, as it should be
PATIENCE_S = 60  # for processes to end whose parent is gone


def processes(driver: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Those of a run, by their part in it."""
    children = driver.children(recursive=True)
    servers = [p for p in driver.children() if "forkserver" in p.cmdline()]
    jobs = [job for server in servers for job in server.children()]
    stages = [stage for job in jobs for stage in job.children()]
    return {
        "snakemake": [driver],
        "line": [p for p in children if p.cmdline()[1:3] == ["-m", "breakeven"] and "forkserver" not in p.cmdline()],
        "job": jobs,
        "stage": stages,
        "rank": [rank for stage in stages for rank in stage.children()],
    }


@dataclass
class Killer:
    """Runs a grid, and kills as its random numbers tell."""

    checkout: Checkout
    draw: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    lost: int = 0  # attempts, in the run that is on its way

    @property
    def results(self) -> Path:
        return self.checkout.path / "results"

    def run(self, kills: int) -> None:
        """Start the run again and again until so many processes have been killed, or it ends well before."""
        ended_well = False
        while self.killed.total() < kills and not ended_well:
            self.lost = 0
            with (self.checkout.path / f"run-{self.killed.total()}.log").open("w") as log:
                command = self.checkout.command("--configfile", "grid.yaml")
                where = {"cwd": self.checkout.path, "env": self.checkout.environment, "stdout": log, "stderr": log}
                run = subprocess.Popen(command, **where)
                while self.killed.total() < kills and self._waited(run):
                    self._kill(psutil.Process(run.pid))
                ended_well = run.wait() == 0
            assert run.returncode in (0, 1, -signal.SIGKILL)

    def _waited(self, run: subprocess.Popen) -> bool:
        """Until the moment has come; False where the run has ended before."""
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
            except OSError:  # it has gone since
                continue
            yield path, (status.st_size, status.st_mtime_ns)

    def _kill(self, driver: psutil.Process) -> None:
        """One of the processes there are; with Snakemake all others must end, whatever they do."""
        try:
            found = {part: there for part, there in processes(driver).items() if there}
        except psutil.NoSuchProcess:
            return
        if self.lost == ATTEMPTS_LOST:
            found = {part: there for part, there in found.items() if part in ("snakemake", "line", "job")}
        part = min(found, key=lambda part: (self.killed[part], part != "snakemake", self.draw.random()))
        everyone = driver.children(recursive=True)
        try:
            self.draw.choice(found[part]).kill()
        except psutil.NoSuchProcess:
            return
        self.killed[part] += 1
        self.lost += part in ("stage", "rank")
        if part == "snakemake":
            _, left = psutil.wait_procs(everyone, PATIENCE_S)
            assert not left


@pytest.mark.parametrize(
    ("seed", "seeds", "kills"),
    [
        pytest.param(1, [0], 6, id="some"),
        pytest.param(2, [0, 1, 2], 20, id="many", marks=pytest.mark.exhaustive),
    ],
)
def test_a_board_is_complete_whatever_was_killed(seed: int, seeds: list[int], kills: int, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    (checkout.path / "units").rename(checkout.path / "unused")
    (checkout.path / "units").symlink_to(ROOT / "tests/planted")
    (checkout.path / "grid.yaml").write_text(yaml.safe_dump({**GRID, "seeds": seeds}))
    killer = Killer(checkout, random.Random(seed))
    killer.run(kills)
    print("killed", dict(killer.killed))
    assert killer.killed.total() == kills

    done = checkout.snakemake("--configfile", "grid.yaml")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    trained = read_rows(killer.results / "training.parquet", TrainingRow)
    measured = read_rows(killer.results / "inference.parquet", InferenceRow)
    assert sorted((row.training, row.seed) for row in trained) == [
        (t, s) for t in sorted(GRID["training"]) for s in seeds
    ]
    assert sorted((row.chain, row.seed) for row in measured) == [
        (chain, s) for chain in ("fp32", "planted_step") for s in seeds for _ in ("single_stream", "offline")
    ]
    for rows in (trained, measured):
        assert len({row.cell_id for row in rows}) == len(rows)
        assert {row.status for row in rows} == {Status.OK}, [row.reason for row in rows]
    print("parts", [row.resumed_parts for row in trained], "attempts", [row.attempt for row in trained])
    assert max(row.resumed_parts for row in trained) > 1
    for row in trained:  # the clock has all steps: each takes its time
        assert row.samples_per_s * row.train_time_s == pytest.approx(row.steps * row.global_batch_size)
        assert row.train_time_s >= row.steps * STEP_S
    assert not [path for path in killer.results.rglob(".*") if path.name not in (".lock", ".snakemake_timestamp")]
    assert not list(killer.results.rglob("*.checkpoint"))
