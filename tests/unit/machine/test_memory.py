"""Memory as counted by the kernel: peaks show after memory was freed, child processes count, and limits hold."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from breakeven.machine import memory

MB = 1_000_000
NEAR = 20 * MB  # tolerance for memory that the interpreter itself takes or frees meanwhile


def forked(work: Callable[[], object]) -> object:
    """Run `work` in a separate process; return its result."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send(work()))
    process.start()
    theirs.close()
    answer = ours.recv()
    process.join()
    assert process.exitcode == 0
    return answer


def hold(megabytes: int) -> np.ndarray:
    return np.ones(megabytes * MB, dtype=np.uint8)  # only written pages are resident


def test_what_was_held_and_given_back_is_seen() -> None:
    def work() -> tuple[int, int, int]:
        memory.reset_peak()
        before = memory.resident_bytes()
        del_me = hold(300)
        del del_me
        return before, memory.resident_bytes(), memory.peak_bytes()

    before, after, peak = forked(work)
    assert abs(after - before) < NEAR
    assert abs(peak - before - 300 * MB) < NEAR


def test_a_reset_forgets_what_was_before() -> None:
    def work() -> tuple[int, int]:
        hold(300)
        memory.reset_peak()
        return memory.resident_bytes(), memory.peak_bytes()

    resident, peak = forked(work)
    assert 0 <= peak - resident < NEAR


CHILD = """
import sys
b"\\x01" * 200_000_000
print("held", flush=True)
input()
"""


def test_running_children_count_with_what_they_once_held() -> None:
    def work() -> tuple[int, int]:
        before = memory.peak_bytes()
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"held\n"
        during = memory.peak_bytes()
        child.communicate(b"\n")
        return before, during

    before, during = forked(work)
    assert abs(during - before - 200 * MB) < NEAR


def test_what_a_forked_process_held_before_its_work_is_no_growth() -> None:
    def work() -> tuple[int, int]:
        held = hold(200)  # a fork holds this memory too
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()

        def follow() -> None:
            theirs.send(memory.resident_bytes())
            more = hold(100)
            theirs.send(len(more))
            theirs.recv()

        memory.reset_peak()
        before = memory.resident_bytes()
        process = context.Process(target=follow)
        process.start()
        memory.note_held(process.pid, ours.recv())
        ours.recv()
        found = memory.peak_above_bytes(before), memory.peak_bytes() - before
        ours.send(len(held))
        process.join()
        return found

    above, more = forked(work)
    assert abs(above - 100 * MB) < NEAR
    assert more > 300 * MB  # the whole process


@pytest.mark.parametrize("wanted", [100, 300])
def test_a_limit_is_above_what_is_held_already(wanted: int) -> None:
    def work() -> bool:
        held = hold(400)
        memory.limit(200 * MB)
        try:
            hold(wanted)
        except MemoryError:
            return False
        return bool(held[0])

    assert forked(work) == (wanted < 200)


def test_a_limit_never_lifts_a_tighter_one() -> None:
    def work() -> bool:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (2**40, 2**40))
        memory.limit(2**50)
        return resource.getrlimit(resource.RLIMIT_DATA) == (2**40, 2**40)

    assert forked(work)


def test_kills_are_read_from_the_kernels_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.oom_kills() >= 0
    monkeypatch.setattr(memory, "VMSTAT", tmp_path / "vmstat")
    memory.VMSTAT.write_text("oom_kill_other 9\noom_kill 3\nx 1\n")
    assert memory.oom_kills() == 3
    memory.VMSTAT.write_text("pgfault 3\n")  # a kernel before 4.13
    assert memory.oom_kills() == 0


def test_a_field_that_the_kernel_does_not_give_is_an_error() -> None:
    with pytest.raises(OSError, match="measures memory on Linux"):
        memory._status("VmNone")
