"""Every end of a stage leaves a record. Tests of its status, its attempts and its leftovers."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import PATIENCE_S, gone

from breakeven.errors import CellFailure, FinalFailure, UserError
from breakeven.jobs.supervision import ATTEMPTS, Attempt, Limits, supervise
from breakeven.machine import memory
from breakeven.machine.limits import CGROUP
from breakeven.machine.processes import die_with_parent

FOREVER = Limits(seconds=PATIENCE_S)
SOON = Limits(seconds=10)  # on any machine, a stage is at work before this limit


class Stage:
    """A stage that does its work once per attempt and keeps the recorded failure for the test."""

    def __init__(self, folder: Path, *works: Callable[[], None]) -> None:
        self.log, self.works = folder / "attempts", works
        self.recorded: Attempt | None = None

    def __call__(self, attempt: Attempt) -> None:
        if attempt.failure is not None:
            self.recorded = attempt
            return
        with self.log.open("a") as log:
            log.write(f"{attempt.number}\n")
        self.works[min(attempt.number, len(self.works)) - 1]()

    @property
    def attempts(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another attempt begin at once."""
    monkeypatch.setattr("breakeven.jobs.supervision.PAUSE_S", 0.0)


def ended(folder: Path, *works: Callable[[], None], limits: Limits = FOREVER) -> Stage:
    stage = Stage(folder, *works)
    supervise(stage, limits)
    return stage


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scratch")


def end_by(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def crash() -> None:
    faulthandler.disable()  # otherwise it would fill the log of a passing test
    ctypes.string_at(0)


def abort() -> None:
    faulthandler.disable()
    os.abort()


def raise_(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_what_goes_well_is_done_once_and_its_words_reach_the_log(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    def work() -> None:
        print("to the log")
        print("errors too", file=sys.stderr)

    stage = ended(tmp_path, work)
    assert stage.attempts == [1]
    assert stage.recorded is None
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("to the log\n", "errors too\n")


FINAL = {
    "a crash": (crash, "method_error", "crashed (SIGSEGV)"),
    "an abort": (abort, "method_error", "crashed (SIGABRT)"),
    "an exit": (lambda: os._exit(3), "method_error", "ended with code 3"),
    "an exit that pretends to be well": (lambda: os._exit(0), "method_error", "ended with code 0"),
    "python's exit": (lambda: sys.exit(4), "method_error", "ended with code 4"),
    "no time left": (signal.pause, "timeout", "raise timeout_min"),
    "a failure that its stage does not record": (raise_(CellFailure("diverged", "why: mend")), "diverged", "why: mend"),
    "memory, by Python": (raise_(MemoryError()), "out_of_memory", "memory_gib"),
}


@pytest.mark.parametrize("name", FINAL)
def test_a_failure_that_is_final(name: str, tmp_path: Path) -> None:
    work, status, reason = FINAL[name]
    stage = ended(tmp_path, work, limits=SOON if status == "timeout" else FOREVER)
    assert stage.attempts == [1]
    assert stage.recorded is not None
    assert (stage.recorded.number, stage.recorded.failure.status) == (1, status)
    assert reason in stage.recorded.failure.reason


INFRASTRUCTURE = {
    "a full disk": (full_disk, "No space left on device"),
    "killed from outside": (end_by(signal.SIGKILL), "SIGKILL"),
    "asked to end from outside": (end_by(signal.SIGTERM), "SIGTERM"),
}


@pytest.mark.parametrize("name", INFRASTRUCTURE)
def test_a_failure_of_the_infrastructure_is_tried_again_and_then_recorded(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    work, reason = INFRASTRUCTURE[name]
    stage = ended(tmp_path, work)
    assert stage.attempts == [1, 2, 3]
    assert (stage.recorded.number, stage.recorded.failure.status) == (3, "infra_error")
    assert stage.recorded.failure.reason.startswith("3 attempts failed; the last: ")
    assert reason in stage.recorded.failure.reason
    assert capfd.readouterr().err.count(" of 3: ") == ATTEMPTS


def test_the_third_attempt_may_go_well(tmp_path: Path) -> None:
    stage = ended(tmp_path, full_disk, end_by(signal.SIGKILL), lambda: None)
    assert stage.attempts == [1, 2, 3]
    assert stage.recorded is None


def test_another_failure_ends_the_attempts(tmp_path: Path) -> None:
    stage = ended(tmp_path, full_disk, crash)
    assert stage.attempts == [1, 2]
    assert (stage.recorded.number, stage.recorded.failure.status) == (2, "method_error")


@pytest.mark.parametrize(("kills", "status"), [(1, "out_of_memory"), (0, "infra_error")])
def test_a_kill_is_the_kernels_where_it_counted_one(
    kills: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "vmstat"  # the only simulated part of this test
    counter.write_text("pgfault 7\noom_kill 4\n")
    monkeypatch.setattr(memory, "VMSTAT", counter)

    def work() -> None:
        counter.write_text(f"pgfault 9\noom_kill {4 + kills}\n")
        os.kill(os.getpid(), signal.SIGKILL)

    stage = ended(tmp_path, work)
    assert stage.recorded.failure.status == status


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Yield a control group of 64 MiB, if this user may make one."""
    for root, limits in ((CGROUP / "memory", ["memory.limit_in_bytes"]), (CGROUP, ["memory.max", "memory.swap.max"])):
        group = root / f"breakeven-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / limit).exists() for limit in limits):
                for limit in limits:
                    (group / limit).write_text("0" if "swap" in limit else str(2**26))
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("needs root, and a memory controller of control groups")


def test_a_process_that_the_kernel_really_kills_for_want_of_memory(tmp_path: Path, small_group: Path) -> None:
    def work() -> None:
        (small_group / "cgroup.procs").write_text(str(os.getpid()))
        np.ones(2**29, dtype=np.uint8)

    stage = ended(tmp_path, work)
    assert stage.attempts == [1]
    assert stage.recorded.failure.status == "out_of_memory"
    assert stage.recorded.failure.reason.startswith("the kernel killed the job's process for want of memory: ")


def test_bad_input_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such thing"):
        ended(tmp_path, raise_(UserError("no such thing")))


def test_what_no_cell_can_be_blamed_for_ends_the_job_with_its_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stopped:
        ended(tmp_path, raise_(ZeroDivisionError("planted")))
    assert stopped.value.code == 1
    error = capfd.readouterr().err
    assert "Traceback" in error
    assert "ZeroDivisionError: planted" in error


def test_an_attempt_that_has_failed_before_begins_with_its_failure() -> None:
    Attempt().begin()
    with pytest.raises(FinalFailure, match="full: mend"):
        Attempt(3, CellFailure("infra_error", "full: mend")).begin()


@pytest.mark.parametrize("forked", [False, True])
def test_memory_is_limited_also_in_what_the_stage_starts(forked: bool, tmp_path: Path) -> None:
    def allocate(bytes_: int) -> None:
        np.ones(bytes_, dtype=np.uint8)

    def work() -> None:
        allocate(2**24)
        if not forked:
            allocate(2**28)
        child = multiprocessing.get_context("fork").Process(target=allocate, args=(2**28,))
        child.start()
        child.join()
        assert child.exitcode == 1
        raise MemoryError("so said the child")

    stage = ended(tmp_path, work, limits=Limits(PATIENCE_S, memory_bytes=2**27))
    assert stage.recorded.failure.status == "out_of_memory"
    assert ("so said the child" if forked else "allocate") in stage.recorded.failure.reason


WAYS = {
    "goes well": (lambda: None, None),
    "crashes": (crash, "method_error"),
    "takes too long": (signal.pause, "timeout"),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_behind(way: str, tmp_path: Path) -> None:
    """Two processes end with the stage: a fork that keeps the stage's pipe open, and one in a session of its own."""
    last, status = WAYS[way]
    pids = tmp_path / "pids"

    def work() -> None:
        forked = os.fork()
        if not forked:
            signal.pause()
        command = [sys.executable, "-c", "import signal; signal.pause()"]
        apart = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        pids.write_text(f"{forked} {apart.pid}")
        last()

    beside = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    limits = SOON if status == "timeout" else FOREVER
    stage = ended(tmp_path, work, limits=limits)
    assert (stage.recorded and stage.recorded.failure.status) == status
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert not any(psutil.pid_exists(pid) for pid in started)
    assert beside.poll() is None  # a child of this process, but not of the stage
    beside.communicate(b"\n")
    assert beside.returncode == 0


def test_a_process_that_does_not_end_after_its_last_word_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakeven.jobs.supervision.GRACE_S", 0.1)
    pid = tmp_path / "pid"

    def work() -> None:
        pid.write_text(str(os.getpid()))
        multiprocessing.util.Finalize(None, signal.pause, exitpriority=0)

    assert ended(tmp_path, work).recorded is None
    assert not psutil.pid_exists(int(pid.read_text()))


BY_HAND = """
import multiprocessing, os, signal, sys
from breakeven.machine.limits import CGROUP
from breakeven.machine.processes import die_with_parent
from breakeven.plugins import REPOSITORY
from breakeven.jobs.supervision import Limits, supervise

def serve():
    die_with_parent()
    print(os.getpid(), flush=True)
    signal.pause()

def stage(attempt):
    print(os.getpid(), flush=True)
    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()
    signal.pause()

supervise(stage, Limits())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_job_that_is_ended_takes_its_processes_along(number: signal.Signals) -> None:
    job = subprocess.Popen([sys.executable, "-c", BY_HAND], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    pids = [int(job.stdout.readline()) for _ in range(2)]
    job.send_signal(number)
    assert job.wait(PATIENCE_S) != 0
    assert all(gone(pid) for pid in pids)


def test_an_orphan_does_not_start(tmp_path: Path) -> None:
    """If the parent ends between the fork and the child's first call, the kernel sends no signal."""

    def child() -> None:
        os.getppid = lambda: 1  # process 1 adopts orphans
        die_with_parent()
        (tmp_path / "alive").touch()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "alive").exists()
