"""The lockstep of two processes, on a simulated clock and on a real model with a known result."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from breakeven import protocol, statistics
from breakeven.errors import CellFailure
from breakeven.machine import memory
from breakeven.protocol import UNTIMED_CALLS, Mode
from breakeven.stages.measure import lockstep as measurement
from breakeven.stages.measure import served_model
from breakeven.stages.measure.served_model import Served
from breakeven.units import registry

TASK, CPU = registry.task("mandarin_initials"), registry.hardware("cpu_1")


class Metronome:
    """Simulates a process whose calls all take the same time."""

    def __init__(self, latency_ms: float, log: list[str], name: str) -> None:
        self.latency_ms, self.log, self.name = latency_ms, log, name

    def ask(self, what: str, batch_size: int) -> np.ndarray:
        self.log.append(self.name)
        return np.full(max(1, int(100 / self.latency_ms)), self.latency_ms)


class Joules:
    """Simulates a meter that counts one joule per reading, or knows none."""

    def __init__(self, known: bool = True) -> None:
        self.known, self.count = known, 0

    def read(self) -> int:
        return self.count

    def used(self, before: int) -> float | None:
        self.count += 1
        return float(self.count - before) if self.known else None


def lockstep(
    ours_ms: float, theirs_ms: float, mode: Mode, batch_size: int = 1, meter: Joules | None = None
) -> tuple[measurement.Window, list[str]]:
    log: list[str] = []
    ours, theirs = Metronome(ours_ms, log, "ours"), Metronome(theirs_ms, log, "theirs")
    return measurement._lockstep(ours, theirs, batch_size, mode, 0, meter or Joules()), log


def test_turns_are_taken_and_the_order_is_swapped() -> None:
    _, log = lockstep(10, 20, Mode(1, seconds=0.35, calls=1))
    assert log[:8] == ["theirs", "ours", "ours", "theirs"] * 2


def test_the_ratio_is_the_references_time_over_ours() -> None:
    window, _ = lockstep(10, 25, Mode(1, seconds=0.5, calls=1))
    assert window.round_ratios == pytest.approx(2.5)


@pytest.mark.parametrize(("ours_ms", "theirs_ms"), [(1, 90), (90, 1), (300, 300)])
@pytest.mark.parametrize(("batch_size", "calls"), [(1, 64), (32, 11)])
def test_both_get_their_seconds_and_their_calls(ours_ms: float, theirs_ms: float, batch_size: int, calls: int) -> None:
    window, _ = lockstep(ours_ms, theirs_ms, Mode(1, seconds=1.5, calls=64), batch_size)
    for latencies in (window.latencies_ms, window.reference_ms):
        assert len(latencies) >= calls
        assert latencies.sum() >= 1500
    fewest = max(calls, 1500 / max(ours_ms, theirs_ms))
    assert min(len(window.latencies_ms), len(window.reference_ms)) < fewest + 1 + 100 / max(ours_ms, theirs_ms)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_energy_is_shared_by_the_untimed_calls_too(batch_size: int) -> None:
    """Each turn uses one joule. It has five timed calls of 20 ms and, before them, the untimed calls."""
    window, log = lockstep(20, 20, Mode(1, seconds=1, calls=1), batch_size)
    assert log.count("ours") == 10
    assert window.energy_j == pytest.approx(1 / (5 + UNTIMED_CALLS) / batch_size)
    assert window.reference_energy_j == window.energy_j


def test_unknown_energy_is_none() -> None:
    window, _ = lockstep(20, 20, Mode(1, seconds=1, calls=1), meter=Joules(known=False))
    assert window.energy_j is window.reference_energy_j is None


@pytest.mark.parametrize(("call_s", "timed"), [(0.015625, 7), (0.5, 2)])
def test_a_turn_has_its_time_and_its_calls(call_s: float, timed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    model = object.__new__(served_model.Model)
    monkeypatch.setattr(served_model.time, "perf_counter", lambda: sum(calls))
    monkeypatch.setattr(model, "_next", lambda batch_size: (), raising=False)
    monkeypatch.setattr(model, "_timed", lambda inputs: calls.append(call_s) or call_s * 1e3)
    assert model.burst(32).tolist() == [call_s * 1e3] * timed
    assert len(calls) == timed + UNTIMED_CALLS


def test_the_modes_are_the_protocols() -> None:
    brief, quick, full = (protocol.MODES[name] for name in ("brief", "quick", "full"))
    assert (brief.pairs, brief.seconds, brief.calls) == (3, 0.4, quick.calls)
    assert (quick.pairs, quick.seconds, quick.calls) == (5, 0.8, 64)
    assert (full.pairs, full.seconds, full.calls) == (7, 10.0, 662)
    assert quick.batch_calls == full.batch_calls == statistics.calls_needed(0.5)
    assert quick.calls >= statistics.calls_needed(0.9)
    assert full.calls >= statistics.calls_needed(0.99)
    assert list(protocol.SCENARIOS.values()) == [1, 32]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    import torch

    torch.set_num_threads(1)  # forks of this process may compute
    file = tmp_path_factory.mktemp("served") / "model.pt"
    registry.method("eager").export(TASK.model().eval(), (), file)
    return Served(file, "eager")


@pytest.mark.slow
def test_percentiles_are_gaps_where_the_calls_are_too_few(served: Served) -> None:
    """A real measurement of few turns gives a median, but no percentiles further out."""
    from breakeven.stages.measure import figures

    scenarios = {"offline": 32}
    timing = measurement.measure(served, served, TASK, CPU, Mode(2, seconds=0, calls=11), 0, scenarios)
    windows = timing.windows["offline"]
    latencies = [window.latencies_ms for window in windows]
    calls = min(map(len, latencies))
    assert 11 <= calls < statistics.calls_needed(0.99)
    for percentile in (0.5, 0.9, 0.99):
        found = figures._over_processes(latencies, percentile)
        assert (found is None) == (calls < statistics.calls_needed(percentile))
    assert [window.pair for window in windows] == [0, 1]
    assert len(timing.load_time_s) == len(timing.start_s) == 2
    assert all(load < start for load, start in zip(timing.load_time_s, timing.start_s, strict=True))
    assert timing.warmup_calls >= 2 * 10
    assert timing.window_s > sum(each.sum() for each in latencies) / 1e3


@pytest.mark.slow
def test_the_memory_of_two_processes_is_that_of_both(served: Served) -> None:
    one = measurement.measure_memory(served, TASK, CPU, 0)
    by_two = Served(served.path, "data_parallel_inference")
    both = measurement.measure_memory(by_two, TASK, registry.hardware("cpu_2x1"), 0)
    assert both.peak_bytes > 1.3 * one.peak_bytes
    assert one.above_baseline_bytes < both.above_baseline_bytes < (both.peak_bytes - one.peak_bytes) / 2


@pytest.mark.slow
def test_a_process_that_fails_to_load_is_a_failure_with_its_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    broken = tmp_path / "model.pt"
    broken.write_text("not a model")
    with pytest.raises(CellFailure) as raised:
        measurement.measure_memory(Served(broken, "eager"), TASK, CPU, 0)
    assert raised.value.status == "method_error"
    assert "see the job's log" in raised.value.reason
    assert "Traceback" in capfd.readouterr().err  # the log that the reason refers to


@pytest.mark.parametrize(("kills", "status"), [(1, "out_of_memory"), (0, "infra_error")])
def test_a_serving_process_that_is_killed(
    kills: int, status: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "VMSTAT", tmp_path / "vmstat")  # the kernel's count, the only simulated part
    memory.VMSTAT.write_text("oom_kill 0\n")
    with measurement._Worker(served, TASK, CPU, 0) as worker:
        worker.wait_ready()
        memory.VMSTAT.write_text(f"oom_kill {kills}\n")
        os.kill(worker.pid, signal.SIGKILL)
        worker.process.join()
        with pytest.raises(CellFailure) as raised:
            worker.ask(served_model.Model.burst, 1)
    assert raised.value.status == status
    assert "the serving process" in raised.value.reason
