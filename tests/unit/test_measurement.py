"""The lockstep of two processes, on a clock that tests can turn; and the real thing on a model with a known truth."""

from pathlib import Path

import numpy as np
import pytest

from breakeven import measurement
from breakeven.measurement import Mode


class Metronome:
    """Stands for a process whose every call takes the same time."""

    def __init__(self, latency_ms: float, log: list[str], name: str) -> None:
        self.latency_ms, self.log, self.name = latency_ms, log, name

    def send(self, what: str, batch_size: int) -> None:
        self.what = what

    def receive(self):
        return 10

    def ask(self, what: str, batch_size: int) -> np.ndarray:
        self.log.append(self.name)
        return np.full(max(1, int(100 / self.latency_ms)), self.latency_ms)


def lockstep(ours_ms: float, theirs_ms: float, mode: Mode) -> tuple[measurement.Window, list[str]]:
    log: list[str] = []
    window = measurement._lockstep(Metronome(ours_ms, log, "ours"), Metronome(theirs_ms, log, "theirs"), 1, mode, 0)
    return window, log


def test_turns_are_taken_and_the_order_is_swapped() -> None:
    _, log = lockstep(10, 20, Mode(1, seconds=0.35, calls=1))
    assert log[:8] == ["theirs", "ours", "ours", "theirs"] * 2


def test_the_ratio_is_the_references_time_over_ours() -> None:
    window, _ = lockstep(10, 25, Mode(1, seconds=0.5, calls=1))
    assert window.round_ratios == pytest.approx(2.5)


@pytest.mark.parametrize(("ours_ms", "theirs_ms"), [(1, 90), (90, 1), (300, 300)])
def test_both_get_their_seconds_and_their_calls(ours_ms: float, theirs_ms: float) -> None:
    window, _ = lockstep(ours_ms, theirs_ms, Mode(1, seconds=1.5, calls=64))
    for latencies in (window.latencies_ms, window.reference_ms):
        assert len(latencies) >= 64
        assert latencies.sum() >= 1500


def test_the_modes_are_the_protocols() -> None:
    quick, full = measurement.MODES["quick"], measurement.MODES["full"]
    assert (quick.pairs, quick.seconds, quick.calls) == (3, 1.5, 64)
    assert (full.pairs, full.seconds, full.calls) == (7, 10.0, 662)
    assert list(measurement.SCENARIOS.values()) == [1, 32]


@pytest.mark.slow
def test_a_process_that_fails_to_load_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    from breakeven import registry
    from breakeven.errors import CellFailure

    broken = tmp_path / "model.pt"
    broken.write_text("not a model")
    task, hardware = registry.task("mandarin_initials"), registry.hardware("cpu_1")
    with pytest.raises(CellFailure) as raised:
        measurement.measure_memory(measurement.Served(broken, "eager"), task, hardware, 0)
    assert raised.value.status == "method_error"
    assert "log" in raised.value.reason
