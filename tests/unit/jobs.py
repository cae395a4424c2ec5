"""Runs the stages' verbs as a run does, with units of tests/planted: forks of one server, each within its limits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from breakeven.environment import FORKSERVER
from breakeven.errors import Status
from breakeven.files import read_json, write_json
from breakeven.rows import InferenceRow, Row, TrainingRow, from_dict

UNITS = Path(__file__).parents[1] / "planted"
# The fork server of a run, without the pause before another attempt.
SERVER = """
import sys
from pathlib import Path
from breakeven.cli import main as cli
from breakeven.jobs import forkserver, supervision
supervision.PAUSE_S = 0.0
forkserver.serve(Path(sys.argv[1]), cli.run)
"""
REMEDY = r"(use|raise|lower|mend|see|run|find|check|list|leave|evaluate|the runtime must) .{2,}"
TASK = "planted_initials"
MODEL = "single_device@cpu_1"


@dataclass
class Finished:
    """A finished job: its row or rows, and its log."""

    rows: list[Row]
    log: str
    session: int

    @property
    def attempts(self) -> int:
        """Count how often the planted unit started its work."""
        return len(re.findall(r"^at work \d+$", self.log, re.MULTILINE))

    def ended_as(self, status: Status, reason: str, attempts: int = 1) -> None:
        """Check the fields that every row of a failure must have."""
        assert self.rows
        for row in self.rows:
            assert row.status == status, row.reason
            assert reason in row.reason
            assert re.fullmatch(REMEDY, row.reason.rpartition(": ")[2]), row.reason
            assert row.attempt == attempts


@dataclass
class Jobs:
    """Runs verbs with the fork server or by hand."""

    folder: Path
    environment: dict[str, str]
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "breakeven", *arguments]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
        return subprocess.Popen(command, env=self.environment, **how)

    def new(self) -> Path:
        return self.folder / f"job{next(self.numbers)}"

    def finish(self, job: subprocess.Popen, output: Path) -> Finished:
        log, _ = job.communicate(timeout=3000)
        assert job.returncode == 0, log
        rows = read_json(output / "rows.json") if (output / "rows.json").exists() else []
        kind = TrainingRow if "training_method" in (rows or [{}])[0] else InferenceRow
        return Finished([from_dict(row, kind) for row in rows], log, job.pid)

    def training(self, output: Path, task: str, method: str, hardware: str, minutes: float) -> list[str]:
        data = self.folder / "data.json"
        write_json({"task": TASK, "dataset_sha256": "0" * 64}, data)
        where = ["--hardware", hardware, "--seed", "0", "--data", str(data), "--output", str(output)]
        return ["train", "--task", task, "--training-method", method, *where, "--timeout-min", str(minutes)]

    def train(
        self, cause: str, method: str = "single_device", hardware: str = "cpu_1", minutes: float = 60
    ) -> Finished:
        output, task = self.new(), cause if "=" in cause else f"{TASK}-cause={cause}"
        return self.finish(self.start(*self.training(output, task, method, hardware, minutes)), output)

    def compress(self, source: Path, step: str, hardware: str = "cpu_1", minutes: float = 60) -> tuple[Path, Finished]:
        output = self.new()
        of = ["--task", TASK, "--step", step, "--seed", "0", "--hardware", hardware, "--source", str(source)]
        job = self.start("compress", *of, "--output", str(output), "--timeout-min", str(minutes))
        return output, self.finish(job, output)

    def evaluate(self, source: Path, chain: str) -> Path:
        output = self.new()
        of = ["--task", TASK, "--chain", chain, "--accelerator", "cpu", "--source", str(source)]
        self.finish(self.start("evaluate", *of, "--output", str(output)), output)
        return output

    def measure(
        self, model: Path, artifact: Path, chain: str, hardware: str = "cpu_1", minutes: float = 60
    ) -> Finished:
        """Measure a cell and return its rows. If its artifact is sound, evaluate first."""
        sound = read_json(artifact / "artifact.json")["status"] == "ok"
        evaluations = [self.evaluate(*of) for of in ((artifact, chain), (model, "fp32"))] if sound else [artifact] * 2
        output = self.new()
        cell = ["--task", TASK, "--trained-as", MODEL, "--seed", "0", "--chain", chain, "--hardware", hardware]
        made = ["--artifact", str(artifact), "--reference", str(model), "--data", str(self.folder / "data.json")]
        quality = ["--evaluation", str(evaluations[0]), "--reference-evaluation", str(evaluations[1])]
        ends = ["--mode", "quick", "--output", str(output), "--timeout-min", str(minutes)]
        return self.finish(self.start("measure", *cell, *made, *quality, *ends), output)


def left_of(finished: Finished) -> list[psutil.Process]:
    """List the processes still running in the job's session or in the session of the server's fork for it."""
    sessions = {finished.session}
    sessions |= {int(pid) for pid in re.findall(r"^(?:at work|rank) (\d+)$", finished.log, re.MULTILINE)}
    return [p for p in psutil.process_iter() if p.pid in sessions or os.getsid(p.pid) in sessions]


@contextmanager
def served(folder: Path) -> Iterator[Jobs]:
    """Yield jobs with a fork server of their own."""
    environment = {**os.environ, "BREAKEVEN_PATH": str(UNITS), "PLANTED_ATTEMPTS": str(folder / "attempts")}
    with tempfile.TemporaryDirectory() as short:  # the path of a socket must be short
        socket = Path(short) / "socket"
        alone = {**environment, "OPENBLAS_NUM_THREADS": "1"}
        server = subprocess.Popen([sys.executable, "-c", SERVER, socket], stdin=subprocess.PIPE, env=alone)
        while not socket.exists():
            assert server.poll() is None
            os.sched_yield()
        yield Jobs(folder, {**environment, FORKSERVER: str(socket)})
        server.communicate()
        assert server.returncode == 0
