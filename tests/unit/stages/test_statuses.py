"""Every status of a row comes from a real job with a real cause, and its reason says what to do.

The causes are units in tests/planted.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import TASK, Jobs, left_of, served
from processes import PATIENCE_S, gone

from breakeven.environment import FORKSERVER
from breakeven.errors import Status
from breakeven.files import read_json, write_json

pytestmark = pytest.mark.slow
SHORT = 1  # minutes: on any machine, the jobs are at work before this limit


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with served(tmp_path_factory.mktemp("statuses")) as jobs:
        yield jobs


@pytest.fixture(scope="module")
def by_hand(jobs: Jobs) -> Jobs:
    """Return the same jobs without a server, so that every job imports for itself."""
    environment = {name: value for name, value in jobs.environment.items() if name != FORKSERVER}
    (jobs.folder / "by hand").mkdir()
    return Jobs(jobs.folder / "by hand", environment)


@pytest.fixture(scope="module")
def model(jobs: Jobs) -> Path:
    """A model trained for one epoch."""
    output = jobs.new()
    trained = jobs.finish(jobs.start(*jobs.training(output, TASK, "single_device", "cpu_1", 5)), output)
    (row,) = trained.rows
    assert (row.status, row.reason, row.attempt) == (Status.OK, None, 1)
    assert trained.attempts == 1
    assert row.quality > 1 / 22
    return output


# ok


@pytest.mark.usefixtures("model")
def test_ok() -> None:
    """The fixture's own checks: every test below starts from a training that succeeded."""


@pytest.fixture(scope="module")
def full_disk(jobs: Jobs) -> Iterator[None]:
    """A file on a disk of 64 kB, if this user may mount one; otherwise the device that is always full."""
    folder = jobs.folder / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "planted", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0
    jobs.environment["PLANTED_FULL_DISK"] = str(folder / "scratch") if mounted else "/dev/full"
    yield
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("full_disk")
def test_ok_at_the_third_attempt(jobs: Jobs) -> None:
    done = jobs.train("full_disk_twice")
    (row,) = done.rows
    assert (row.status, row.reason, row.attempt) == (Status.OK, None, 3)
    assert done.attempts == 3
    assert "attempt 2 of 3: [Errno 28] No space left on device" in done.log


# unsupported


def test_a_method_that_does_not_serve_the_profile_is_unsupported(jobs: Jobs) -> None:
    done = jobs.train("none", hardware="cpu_2x1")
    done.ended_as(Status.UNSUPPORTED, "uses one device; cpu_2x1 has 2: use ddp there")
    assert done.attempts == 0  # refused before any work


def test_a_step_that_finds_nothing_to_do_is_unsupported(jobs: Jobs, model: Path) -> None:
    step = "low_rank-energy=1"
    artifact, _ = jobs.compress(model, step)
    jobs.measure(model, artifact, step).ended_as(Status.UNSUPPORTED, "no layer gets cheaper at energy 1: lower it")


# out_of_memory: these tests use the real limit of the profile


def test_a_training_that_torch_has_no_memory_for(jobs: Jobs) -> None:
    done = jobs.train(f"{TASK}-width=1024", hardware="planted_small")
    done.ended_as(Status.OUT_OF_MEMORY, "can't allocate memory")
    assert done.attempts == 1
    assert "Traceback" in done.log


@pytest.mark.parametrize(("cause", "reason"), [("numpy", "Unable to allocate"), ("torch", "can't allocate memory")])
def test_a_compression_without_memory(cause: str, reason: str, jobs: Jobs, model: Path) -> None:
    step = f"planted_step-cause={cause}_memory"
    artifact, compressed = jobs.compress(model, step, hardware="planted_small")
    assert compressed.attempts == 1
    jobs.measure(model, artifact, step).ended_as(Status.OUT_OF_MEMORY, reason)


def test_serving_without_memory(jobs: Jobs, model: Path) -> None:
    chain = "planted_runtime-cause=memory"
    artifact, _ = jobs.compress(model, chain)
    done = jobs.measure(model, artifact, chain, hardware="planted_small")
    done.ended_as(Status.OUT_OF_MEMORY, "memory_gib")
    assert "Traceback" in done.log  # from the serving process
    assert done.attempts == 1


def test_a_rank_without_memory(jobs: Jobs) -> None:
    jobs.train("rank_memory", method="ddp", hardware="cpu_2x1").ended_as(
        Status.OUT_OF_MEMORY, "planted in a rank: use a profile with more memory_gib"
    )


def test_by_hand_the_imports_do_not_count_either(by_hand: Jobs) -> None:
    """The imports alone need more memory than this profile has."""
    (row,) = by_hand.train("none", hardware="planted_small").rows
    assert row.status == Status.OK, row.reason


# diverged


def test_a_training_that_diverges(jobs: Jobs) -> None:
    done = jobs.train("diverge")
    done.ended_as(Status.DIVERGED, "not finite at step ")
    assert done.attempts == 1


# timeout


def test_a_training_that_takes_too_long(jobs: Jobs) -> None:
    done = jobs.train("wait", minutes=SHORT)
    done.ended_as(Status.TIMEOUT, "not done after 1 minutes: raise timeout_min")
    assert done.attempts == 1
    assert not left_of(done)


def test_ranks_that_take_too_long_are_gone(jobs: Jobs) -> None:
    done = jobs.train("rank_wait", method="ddp", hardware="cpu_2x1", minutes=SHORT)
    done.ended_as(Status.TIMEOUT, "1 minutes")
    assert len(re.findall(r"^rank \d+$", done.log, re.MULTILINE)) == 2
    assert not left_of(done)


def test_serving_that_takes_too_long_is_gone(jobs: Jobs, model: Path) -> None:
    chain = "planted_runtime-cause=wait"
    artifact, _ = jobs.compress(model, chain)
    done = jobs.measure(model, artifact, chain, minutes=SHORT)
    done.ended_as(Status.TIMEOUT, "1 minutes")
    assert done.attempts == 1
    assert not left_of(done)


def test_a_compression_that_takes_too_long(by_hand: Jobs, model: Path) -> None:
    step = "planted_step-cause=wait"
    artifact, compressed = by_hand.compress(model, step, minutes=SHORT)
    assert compressed.attempts == 1
    assert not left_of(compressed)
    assert read_json(artifact / "artifact.json")["status"] == "timeout"


# no_hardware


@pytest.mark.parametrize(
    ("profile", "reason"), [("cuda_1", "CUDA device"), ("planted_huge", "needs 100000 cores, this process may use ")]
)
def test_a_machine_that_cannot_give_the_profile(profile: str, reason: str, jobs: Jobs, model: Path) -> None:
    if profile == "cuda_1" and shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU")
    trained = jobs.train("none", hardware=profile)
    trained.ended_as(Status.NO_HARDWARE, reason)
    assert trained.attempts == 0
    jobs.measure(model, model, "fp32", hardware=profile).ended_as(Status.NO_HARDWARE, reason)


# method_error


def test_an_exception_has_its_traceback_in_the_log(jobs: Jobs) -> None:
    done = jobs.train("raise")
    done.ended_as(Status.METHOD_ERROR, "RuntimeError: planted in the test: see the job's log")
    assert done.attempts == 1
    assert "Traceback" in done.log


def test_a_crash(jobs: Jobs) -> None:
    done = jobs.train("segfault")
    done.ended_as(Status.METHOD_ERROR, "the job's process crashed (SIGSEGV)")
    assert done.attempts == 1


def test_a_crash_of_a_serving_process(jobs: Jobs, model: Path) -> None:
    chain = "planted_runtime-cause=segfault"
    artifact, _ = jobs.compress(model, chain)
    done = jobs.measure(model, artifact, chain)
    done.ended_as(Status.METHOD_ERROR, "the serving process crashed (SIGSEGV)")
    assert done.attempts == 1


def test_quality_is_evaluated_by_the_processes_that_serve(jobs: Jobs, model: Path) -> None:
    chain = "data_parallel_inference"
    artifact, _ = jobs.compress(model, chain)
    found = read_json(jobs.evaluate(artifact, chain) / "evaluation.json")
    assert (found["status"], found["reason"]) == (Status.OK, None)
    assert found["quality"] == read_json(jobs.evaluate(model, "fp32") / "evaluation.json")["quality"]


def test_what_follows_a_failed_step_carries_its_reason(jobs: Jobs, model: Path) -> None:
    artifact, _ = jobs.compress(model, "planted_step-cause=raise")
    following, later = jobs.compress(artifact, "planted_step-cause=none")
    assert later.attempts == 0
    chain = "planted_step-cause=raise+planted_step"
    jobs.measure(model, following, chain).ended_as(Status.METHOD_ERROR, "RuntimeError: planted in the test")


# infra_error


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk(jobs: Jobs) -> None:
    done = jobs.train("full_disk")
    done.ended_as(Status.INFRA_ERROR, "3 attempts failed; the last: [Errno 28] No space left on device", attempts=3)
    assert done.attempts == 3


def test_a_job_that_is_killed_from_outside(jobs: Jobs) -> None:
    output, log = jobs.new(), ""
    task = f"{TASK}-cause=be_killed"
    job = jobs.start(*jobs.training(output, task, "single_device", "cpu_1", 5))
    for line in job.stdout:
        log += line
        if line.startswith("at work "):
            os.kill(int(line.split()[-1]), signal.SIGKILL)
    done = jobs.finish(job, output)
    done.ended_as(Status.INFRA_ERROR, "ended from outside (SIGKILL)", attempts=3)
    assert log.count("at work ") == 3


@pytest.mark.parametrize(
    ("cause", "who", "processes"),
    [("killed", "the serving process", 3), ("kill_the_job", "the job's process", 3)],
)
def test_a_measurement_that_is_killed_is_tried_again(
    cause: str, who: str, processes: int, jobs: Jobs, model: Path
) -> None:
    chain = f"planted_runtime-cause={cause}"
    artifact, _ = jobs.compress(model, chain)
    done = jobs.measure(model, artifact, chain)
    done.ended_as(Status.INFRA_ERROR, f"{who} was ended from outside (SIGKILL)", attempts=3)
    assert done.attempts == processes
    assert not left_of(done)


def test_a_rank_that_is_killed_is_tried_again(jobs: Jobs) -> None:
    done = jobs.train("rank_killed", method="ddp", hardware="cpu_2x1")
    done.ended_as(Status.INFRA_ERROR, "the process of rank 1 was ended from outside (SIGKILL)", attempts=3)
    assert done.attempts == 3


def test_a_step_after_a_failure_of_the_infrastructure_tries_nothing_again(jobs: Jobs, model: Path) -> None:
    broken = jobs.new()
    shutil.copytree(model, broken)
    record = {**read_json(broken / "artifact.json"), "status": "infra_error", "reason": "the disk is full: mend it all"}
    write_json(record, broken / "artifact.json")
    done = jobs.measure(model, broken, "planted_step")
    done.ended_as(Status.INFRA_ERROR, "the disk is full", attempts=1)
    assert " of 3" not in done.log


# the end of a job


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("way", ["jobs", "by_hand"])
def test_a_job_that_is_ended_leaves_nothing_running(
    way: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    jobs: Jobs = request.getfixturevalue(way)
    output, task = jobs.new(), f"{TASK}-cause=be_killed"
    job = jobs.start(*jobs.training(output, task, "single_device", "cpu_1", 5))
    line = next(line for line in job.stdout if line.startswith("at work "))
    job.send_signal(number)
    job.communicate(timeout=PATIENCE_S)  # wait for the last process that holds its output
    assert job.returncode != 0
    assert gone(int(line.split()[-1]))
    assert not output.exists()


def test_ranks_do_not_outlive_a_job_that_is_killed_by_hand(by_hand: Jobs) -> None:
    output, task = by_hand.new(), f"{TASK}-cause=rank_wait"
    job = by_hand.start(*by_hand.training(output, task, "ddp", "cpu_2x1", 5))
    ranks = (line for line in job.stdout if line.startswith("rank "))
    pids = [int(next(ranks).split()[-1]) for _ in range(2)]
    job.kill()
    assert job.wait(PATIENCE_S) == -signal.SIGKILL
    assert all(gone(pid) for pid in pids)
