"""Runs on a real cluster: boards are complete, timed jobs run alone, and failures of jobs cost no row."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from checkout import ROOT, make_checkout
from cluster import CPUS, PATIENCE_S, Cluster

from breakeven.errors import Status
from breakeven.files import read_json, write_json
from breakeven.rows import InferenceRow, TrainingRow, read_rows

TASK = "planted_initials"
GRID = {
    "tasks": [TASK],
    "seeds": [0],
    "training_cells": ["single_device@planted_node"],
    "trained_as": "single_device@planted_node",
    "chains": ["planted_step"],
    "hardware": ["planted_node"],
    "mode": "brief",
    "results": "results",
}
WAITING = f"{TASK}-cause=wait_if_told"
TRAININGS = {**GRID, "chains": [], "hardware": []}  # only the training board
TIMED = ("rule_train", "rule_measure")


@dataclass
class Login:
    """A checkout on the cluster's login node."""

    cluster: Cluster
    path: Path
    waits: Path  # a job that waits if told takes a file from this folder; without a file it does not wait
    earlier: int  # number of earlier jobs in SLURM

    @property
    def results(self) -> Path:
        return self.path / "results"

    def command(self, *arguments: str) -> list[str]:
        profile = ["--workflow-profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "5"]
        return [sys.executable, "-m", "snakemake", *profile, "--configfile", "grid.yaml", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        units = os.pathsep.join(map(str, [self.path / "units", ROOT / "tests/planted"]))
        return {**self.cluster.environment, "BREAKEVEN_PATH": units, "PLANTED_WAITS": str(self.waits)}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the workflow to its end."""
        return subprocess.run(
            self.command(*arguments), cwd=self.path, env=self.environment, capture_output=True, text=True
        )

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen]:
        """Start a run, and terminate it at the end of the block."""
        with (self.path / "driver.log").open("w") as log:
            run = subprocess.Popen(
                self.command(*arguments), cwd=self.path, env=self.environment, stdout=log, stderr=log
            )
            try:
                yield run
            finally:
                run.terminate()
                run.wait()

    def log(self, task: str, seed: int) -> Path:
        """The log of a training."""
        return self.results / f"logs/train/{task}/single_device@planted_node/seed={seed}.log"

    def model(self, task: str, seed: int) -> Path:
        """The folder of a trained model."""
        return self.results / f"models/{task}/single_device@planted_node/seed={seed}"

    def jobs(self) -> list[dict[str, str]]:
        """SLURM's jobs of the runs from this checkout."""
        return self.cluster.jobs()[self.earlier :]

    def ended_well(self) -> bool:
        """Return True if one of these jobs has succeeded."""
        return any(job["JobState"] == "COMPLETED" for job in self.jobs())

    def at_work(self, task: str) -> dict[int, dict[str, str]]:
        """SLURM's jobs of the trainings at work, by seed."""
        running = {seed_of(job): job for job in self.jobs() if job["JobState"] == "RUNNING"}
        logs = {seed: self.log(task, seed) for seed in running}
        return {seed: running[seed] for seed, log in logs.items() if log.exists() and "at work" in log.read_text()}

    def pids_at_work(self) -> dict[int, int]:
        """Process ids of the trainings that have begun, by seed."""
        logs = {path: path.read_text() for path in (self.results / "logs/train").glob("*/*/*.log")}
        begun = {path: re.search(r"^at work (\d+)$", text, re.MULTILINE) for path, text in logs.items()}
        return {int(path.stem.partition("=")[2]): int(said[1]) for path, said in begun.items() if said}

    def trained(self) -> list[TrainingRow]:
        return read_rows(self.results / "training.parquet", TrainingRow)

    def leftovers(self) -> list[Path]:
        return [
            path
            for path in self.results.rglob(".*")
            if path.name not in (".lock", ".slurm_run", ".snakemake_timestamp")
        ]


def seed_of(job: dict[str, str]) -> int:
    return int(job["Comment"].rpartition("_")[2])


def login(cluster: Cluster, path: Path, grid: dict) -> Login:
    """Make a checkout that contains a grid."""
    checkout = make_checkout(path)
    (path / "grid.yaml").write_text(yaml.safe_dump(grid))
    (path / "waits").mkdir()
    return Login(cluster, checkout.path, path / "waits", len(cluster.jobs()))


@dataclass
class Run:
    """A finished run, and its jobs in SLURM."""

    login: Login
    finished: subprocess.CompletedProcess
    jobs: list[dict[str, str]]


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    here = login(cluster, tmp_path_factory.mktemp("cluster") / "checkout", GRID)
    finished = here.snakemake()
    return Run(here, finished, here.jobs())


def test_it_ends_well(run: Run) -> None:
    assert run.finished.returncode == 0, run.finished.stdout[-5000:] + run.finished.stderr[-5000:]
    assert [job["JobState"] for job in run.jobs] == ["COMPLETED"] * len(run.jobs)
    assert not run.login.leftovers()


def test_every_row_is_there_and_says_which_job_made_it(run: Run) -> None:
    (trained,) = run.login.trained()
    measured = read_rows(run.login.results / "inference.parquet", InferenceRow)
    assert sorted(row.chain for row in measured) == ["fp32"] * 2 + ["planted_step"] * 2  # in two scenarios
    for row in (trained, *measured):
        assert (row.status, row.executor) == (Status.OK, "slurm"), row.reason
    comments = {job["JobId"]: job["Comment"] for job in run.jobs}
    assert comments[trained.job_id].startswith("rule_train")
    assert {comments[row.job_id].partition("-")[0] for row in measured} == {"rule_measure"}


def test_short_cells_share_a_job_and_take_turns(run: Run) -> None:
    records = [read_json(path) for path in run.login.results.glob("cells/**/job.json")]
    assert len(records) == 2
    assert len({row.job_id for row in read_rows(run.login.results / "inference.parquet", InferenceRow)}) == 1
    first, second = sorted((record["started_at"], record["finished_at"]) for record in records)
    assert first[1] <= second[0]


def test_every_job_but_data_and_boards_went_to_the_cluster(run: Run) -> None:
    rules = [re.split("[_-]", job["Comment"])[1] for job in run.jobs]
    assert sorted(rules) == ["compress", "evaluate", "measure", "train"]
    assert {job["Partition"] for job in run.jobs} == {"planted"}  # not the cluster's default partition


def test_timed_jobs_are_alone_on_their_node(run: Run) -> None:
    timed = [job for job in run.jobs if job["Comment"].startswith(TIMED)]
    assert len(timed) == 2
    for job in timed:
        assert (job["OverSubscribe"], job["NumCPUs"]) == ("NO", str(CPUS))  # all cores of the node
        beside = [
            other["JobId"]
            for other in run.jobs
            if other is not job
            and other["NodeList"] == job["NodeList"]
            and other["StartTime"] < job["EndTime"]
            and job["StartTime"] < other["EndTime"]
        ]
        assert not beside, f"{job['JobId']} beside {beside}"
    assert [job["NumCPUs"] for job in run.jobs if job not in timed] == ["1"] * 2


def test_jobs_are_told_more_time_than_they_take_for_themselves(run: Run) -> None:
    """Compare the time limits: with less time SLURM would end a job before the job has recorded its timeout."""
    bundled = {job["TimeLimit"] for job in run.jobs if "-" in job["Comment"]}
    assert {job["TimeLimit"] for job in run.jobs} - bundled == {"01:15:00"}
    assert bundled == {"01:26:00"}  # ten minutes more for both members; each is rounded up to whole minutes


def test_running_again_submits_nothing(run: Run) -> None:
    assert run.login.snakemake().returncode == 0
    assert len(run.login.jobs()) == len(run.jobs)


def test_what_befalls_jobs_costs_no_row(cluster: Cluster, tmp_path: Path) -> None:
    """Cancel one job, crash the node of one, let one reach its time limit and one succeed; then rerun the command."""
    here = login(cluster, tmp_path / "checkout", {**TRAININGS, "tasks": [WAITING], "seeds": [0, 1, 2, 3]})
    for name in "abc":
        (here.waits / name).touch()
    with here.started() as first:
        cluster.until(lambda: len(here.at_work(WAITING)) == 2, "two jobs at work")
        cancelled, bereft = here.at_work(WAITING).values()
        cluster.ask("scancel", cancelled["JobId"])
        cluster.crash(bereft["NodeList"])
        cluster.repair(bereft["NodeList"])
        cluster.until(lambda: here.ended_well() and here.at_work(WAITING), "job that ended well and one at work")
        (late,) = here.at_work(WAITING).values()
        cluster.ask("scontrol", "update", f"JobId={late['JobId']}", "TimeLimit=1")  # 1 minute
        assert first.wait(PATIENCE_S) == 1
    states = {seed_of(job): job["JobState"] for job in here.jobs()}
    said = (here.path / "driver.log").read_text()
    assert states.pop(seed_of(cancelled)) == "CANCELLED"
    assert states.pop(seed_of(bereft)) == "NODE_FAIL"
    assert sorted(states.values()) == ["COMPLETED", "TIMEOUT"]
    (well,) = [seed for seed, state in states.items() if state == "COMPLETED"]
    for seed in {0, 1, 2, 3} - {well}:
        assert f"log: {here.log(WAITING, seed).relative_to(here.path)}\n" in said
    for status in ("CANCELLED", "NODE_FAIL", "TIMEOUT"):
        assert f"SLURM status is: '{status}'" in said
    assert "3 failed" in said

    kept = here.model(WAITING, well) / "rows.json"
    written = kept.stat().st_mtime_ns
    again = here.snakemake()
    assert again.returncode == 0, again.stdout[-5000:] + again.stderr[-5000:]
    assert kept.stat().st_mtime_ns == written
    rows = here.trained()
    assert sorted(row.seed for row in rows) == [0, 1, 2, 3]
    assert len({row.cell_id for row in rows}) == 4
    assert {row.status for row in rows} == {Status.OK}
    assert not here.leftovers()


def test_a_member_of_a_bundle_that_is_killed_takes_no_other_along(cluster: Cluster, tmp_path: Path) -> None:
    """Run three trainings in one job: an earlier training was short, so they share a bundle."""
    here = login(cluster, tmp_path / "checkout", {**TRAININGS, "tasks": [WAITING], "seeds": [1, 2, 3]})
    earlier = here.model(WAITING, 0) / "job.json"
    write_json({"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "2026-01-01T00:00:03+00:00"}, earlier)
    (here.waits / "a").touch()
    with here.started() as first:
        cluster.until(here.pids_at_work, "member at work")
        ((killed, pid),) = here.pids_at_work().items()
        psutil.Process(pid).parent().kill()
        assert first.wait(PATIENCE_S) == 1
    assert "1 failed" in (here.path / "driver.log").read_text()
    assert not here.model(WAITING, killed).exists()
    kept = {seed: here.model(WAITING, seed).stat().st_mtime_ns for seed in {1, 2, 3} - {killed}}
    again = here.snakemake()
    assert again.returncode == 0, again.stdout[-5000:] + again.stderr[-5000:]
    assert {seed: here.model(WAITING, seed).stat().st_mtime_ns for seed in kept} == kept
    assert [job["JobState"] for job in here.jobs()] == ["FAILED", "COMPLETED"]
    assert sorted((row.seed, row.status) for row in here.trained()) == [(seed, Status.OK) for seed in (1, 2, 3)]


def test_jobs_of_a_run_whose_driver_was_killed_are_gone_before_the_next_submits(
    cluster: Cluster, tmp_path: Path
) -> None:
    here = login(cluster, tmp_path / "checkout", {**TRAININGS, "tasks": [WAITING]})
    (here.waits / "a").touch()
    with here.started() as run:
        cluster.until(lambda: here.at_work(WAITING), "job at work")
        run.kill()
        run.wait()
    again = here.snakemake()
    assert again.returncode == 0, again.stdout[-5000:] + again.stderr[-5000:]
    old, new = here.jobs()
    assert (old["JobState"], new["JobState"]) == ("CANCELLED", "COMPLETED")
    assert old["EndTime"] <= new["SubmitTime"]
    assert f"whose driver is gone: {old['JobId']}: cancelled\n" in again.stderr
    assert [row.status for row in here.trained()] == [Status.OK]
    assert not here.leftovers()


def test_an_interrupted_run_takes_its_jobs_along(cluster: Cluster, tmp_path: Path) -> None:
    here = login(cluster, tmp_path / "checkout", {**TRAININGS, "tasks": [WAITING]})
    (here.waits / "a").touch()
    with here.started() as run:
        cluster.until(lambda: here.at_work(WAITING), "job at work")
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_S) == 1
    cluster.until(cluster.idle, "idle nodes")
    assert [job["JobState"] for job in here.jobs()] == ["CANCELLED"]


def test_a_job_out_of_the_memory_it_was_given_is_named_and_made_up_for(cluster: Cluster, tmp_path: Path) -> None:
    """Run a second task too, which fails by itself with enough memory: it gets a row and is not retried."""
    trainings = {"training_cells": ["single_device@planted_starved"], "trained_as": "single_device@planted_starved"}
    tasks = [TASK, f"{TASK}-cause=raise"]
    here = login(cluster, tmp_path / "checkout", {**TRAININGS, **trainings, "tasks": tasks})
    starved = here.snakemake()
    said = starved.stdout + starved.stderr
    assert starved.returncode == 1
    assert "2 failed" in said
    assert said.count("SLURM status is: ") == 2
    assert not (here.results / "training.parquet").exists()
    again = here.snakemake("--set-resources", "train:mem_mb=5000")
    assert again.returncode == 0, again.stdout[-5000:] + again.stderr[-5000:]
    assert {row.task: row.status for row in here.trained()} == {TASK: Status.OK, tasks[1]: Status.METHOD_ERROR}
    assert not here.leftovers()
