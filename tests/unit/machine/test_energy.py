"""Energy on simulated counters: each is counted once, by one process. Otherwise energy is estimated or unknown."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pynvml
import pytest

from breakeven.machine import energy
from breakeven.machine.energy import Counter, Meter
from breakeven.protocol import UNTIMED_CALLS, Mode
from breakeven.stages.measure import lockstep
from breakeven.units import registry

CPU, CUDA = registry.hardware("cpu_1"), registry.hardware("cuda_1")
NO_WATTS = replace(CPU, watts=None)
ZONES = {  # the kernel's layout without nesting: name, energy, range
    "intel-rapl:0": ("package-0", 5_000_000, 100_000_000),
    "intel-rapl:0:0": ("core", 3_000_000, 100_000_000),  # part of the package
    "intel-rapl:0:1": ("uncore", 1_000_000, 100_000_000),
    "intel-rapl:0:2": ("dram", 2_000_000, 50_000_000),
    "intel-rapl:1": ("package-1", 4_000_000, 100_000_000),
    "intel-rapl:2": ("psys", 90_000_000, 100_000_000),  # the whole machine, including packages
    "intel-rapl-mmio:0": ("package-0", 5_000_000, 100_000_000),  # the first package again
}


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "powercap"
    for zone, (name, joules, wraps) in ZONES.items():
        (folder / zone).mkdir(parents=True)
        (folder / zone / "name").write_text(f"{name}\n")
        (folder / zone / "energy_uj").write_text(f"{joules}\n")
        (folder / zone / "max_energy_range_uj").write_text(f"{wraps}\n")
    monkeypatch.setattr(energy, "POWERCAP", folder)
    return folder


@pytest.fixture
def no_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")


def draw(powercap: Path, zone: str, microjoules: int) -> None:
    file = powercap / zone / "energy_uj"
    file.write_text(str((int(file.read_text()) + microjoules) % ZONES[zone][2]))


def test_packages_and_memory_count_once(powercap: Path) -> None:
    meter = Meter(CPU)
    before = meter.read()
    for zone in ZONES:
        draw(powercap, zone, 1_500_000)
    assert meter.method == "rapl"
    assert meter.used(before) == pytest.approx(3 * 1.5)  # two packages and one memory zone


def test_a_counter_that_begins_again_is_no_loss(powercap: Path) -> None:
    meter = Meter(CPU)
    before = meter.read()
    draw(powercap, "intel-rapl:0", 99_000_000)  # from 5 J to 4 J
    draw(powercap, "intel-rapl:0:2", 49_000_000)  # from 2 J to 1 J
    assert meter.used(before) == pytest.approx(99 + 49)


def test_counters_that_may_not_be_read_are_none(powercap: Path) -> None:
    for zone in ZONES:
        (powercap / zone / "energy_uj").unlink()
        (powercap / zone / "energy_uj").mkdir()  # a folder cannot be read as a file, even by root
    assert Meter(CPU).method == "tdp_estimate"
    assert Meter(NO_WATTS).method == "none"


@pytest.mark.parametrize("text", ["", "not a number"])
def test_a_counter_that_gives_no_number_is_none(text: str, powercap: Path) -> None:
    for zone in ZONES:
        (powercap / zone / "energy_uj").write_text(text)
    assert Meter(NO_WATTS).method == "none"


def test_a_part_of_the_counters_is_not_taken_for_the_whole(powercap: Path) -> None:
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    assert Meter(CPU).method == "tdp_estimate"


@pytest.mark.usefixtures("no_counters")
def test_an_estimate_is_watts_times_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(energy, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    meter = Meter(replace(CPU, watts=8.0))
    before = meter.read()
    assert meter.method == "tdp_estimate"
    assert meter.used(before) == 8.0 * 2.5


@pytest.mark.usefixtures("no_counters")
def test_what_nothing_knows_is_none_and_not_zero() -> None:
    meter = Meter(NO_WATTS)
    assert meter.method == "none"
    assert meter.used(meter.read()) is None


class Boards:
    """Simulates NVIDIA's library on a machine with this number of GPUs."""

    NVMLError = pynvml.NVMLError

    def __init__(self, millijoules: list[int], counts: bool = True, driver: bool = True) -> None:
        self.millijoules, self.counts, self.driver = millijoules, counts, driver

    def nvmlInit(self) -> None:
        if not self.driver:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index >= len(self.millijoules):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, board: int) -> int:
        if not self.counts:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.millijoules[board]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Boards:
        for name in ("nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetTotalEnergyConsumption"):
            monkeypatch.setattr(pynvml, name, getattr(self, name))
        return self


def test_the_profiles_gpus_are_counted_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = Boards([1000, 2000, 3000]).install(monkeypatch)
    meter = Meter(replace(CUDA, devices=2))
    before = meter.read()
    boards.millijoules = [1500, 2250, 9000]
    assert meter.method == "nvml"
    assert meter.used(before) == pytest.approx(0.75)


@pytest.mark.parametrize("boards", [Boards([1], driver=False), Boards([1], counts=False), Boards([])])
def test_gpus_without_a_counter(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    boards.install(monkeypatch)
    assert Meter(CUDA).method == "none"
    assert Meter(replace(CUDA, watts=300.0)).method == "tdp_estimate"


def test_a_gpus_row_never_has_the_processors_energy(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Boards([], driver=False).install(monkeypatch)
    assert Meter(CUDA).method == "none"


@pytest.mark.parametrize(("before", "after", "used"), [(1, 4, 3), (4, 4, 0), (9, 1, 2)])
def test_a_round_of_the_counter(before: float, after: float, used: float) -> None:
    assert Counter(lambda: 0.0, wraps_at=10).used(before, after) == used


class Metronome:
    """Simulates a serving process with ten calls per turn, each with the same energy from the only package."""

    def __init__(self, powercap: Path, microjoules: int) -> None:
        self.powercap, self.microjoules = powercap, microjoules

    def ask(self, what: str, batch_size: int) -> np.ndarray:
        draw(self.powercap, "intel-rapl:0", self.microjoules * (10 + UNTIMED_CALLS))
        return np.full(10, 10.0)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_samples_energy_is_that_of_all_calls_of_its_turns(batch_size: int, powercap: Path) -> None:
    ours, theirs = Metronome(powercap, 3_000), Metronome(powercap, 12_000)
    window = lockstep._lockstep(ours, theirs, batch_size, Mode(1, seconds=0.5, calls=1), 0, Meter(CPU))
    assert window.energy_j == pytest.approx(0.003 / batch_size)
    assert window.reference_energy_j == pytest.approx(0.012 / batch_size)


@pytest.mark.usefixtures("no_counters")
def test_unknown_energy_stays_unknown_in_a_window(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [Metronome(powercap, 1) for _ in range(2)]
    monkeypatch.setattr(energy, "POWERCAP", Path("/nowhere"))
    window = lockstep._lockstep(*workers, 1, Mode(1, seconds=0.1, calls=1), 0, Meter(NO_WATTS))
    assert window.energy_j is window.reference_energy_j is None


def test_one_process_reads_however_many_serve(powercap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving processes are forks of this one with all its state, so this test would also see a second reader."""
    import torch

    from breakeven.stages.measure.served_model import Served

    readers, read = tmp_path / "readers", energy._read_uj

    def noted(file: Path) -> float:
        with readers.open("a") as log:
            log.write(f"{os.getpid()}\n")
        return read(file)

    monkeypatch.setattr(energy, "_read_uj", noted)
    torch.set_num_threads(1)
    task, model = registry.task("mandarin_initials"), tmp_path / "model.pt"
    registry.method("eager").export(task.model().eval(), (), model)
    served = Served(model, "eager")
    lockstep.measure(served, served, task, CPU, Mode(pairs=2, seconds=0, calls=1), 0, {"single_stream": 1})
    pids = readers.read_text().split()
    assert set(pids) == {str(os.getpid())}
    counters, turns = 3, 2 * 2  # two processes in each of two pairs
    assert len(pids) == counters * (1 + 2 * turns)  # once to check that it is readable, then before and after each turn
