"""Energy from the devices' own counters, read by one process per node; a labelled estimate without counters.

The field's trackers work as follows on a shared machine (zeus 0.16 and codecarbon 3.3, read before the choice):

- Zeus reads the same counters as we do at both ends of a window, and assigns all energy of the device to the window.
  It starts a process per CPU package that wakes every second beside the timed work.
- codecarbon samples from a thread, by default every 15 s, and divides the machine's power by processor load. For a CPU
  without counters it takes a constant. A turn of 100 ms disappears between its samples.

Both assign the whole device to a window. That is right only if a timed job owns the machine, as it does here: we detect
and flag load by others. So we read the counters directly: GPUs by NVIDIA's library, CPUs from the kernel's powercap
files. A job that shares the machine gets an estimate or nothing, never a counter's figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from breakeven.hardware import HardwareProfile
from breakeven.protocol import ESTIMATE, NONE, NVML, RAPL

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Counter:
    """A counter of joules that only grows, except that it restarts from 0 at `wraps_at` joules."""

    read: Callable[[], float]
    wraps_at: float = float("inf")

    def used(self, before: float, after: float) -> float:
        """Joules between two readings that are less than one wrap of the counter apart."""
        return after - before if after >= before else after - before + self.wraps_at


class Meter:
    """Counts the energy of a profile's devices on this node. `method` names the source; readings are opaque."""

    def __init__(self, hardware: HardwareProfile) -> None:
        found = _nvml(hardware.devices) if hardware.accelerator == "cuda" else _rapl()
        self.method = NVML if hardware.accelerator == "cuda" else RAPL
        if not found:
            watts = hardware.watts
            self.method = NONE if watts is None else ESTIMATE
            found = [] if watts is None else [Counter(lambda: time.perf_counter() * watts / hardware.nodes)]
        self.counters = found

    def read(self) -> list[float]:
        """Read the present state of all counters."""
        return [counter.read() for counter in self.counters]

    def used(self, before: list[float]) -> float | None:
        """Joules since the reading `before`; None without a counter or an estimate."""
        if not self.counters:
            return None
        return sum(c.used(b, a) for c, b, a in zip(self.counters, before, self.read(), strict=True))


def _rapl() -> list[Counter]:
    """Counters of CPU packages and their memory (`intel-rapl`, on AMD too); none if this user may not read them all."""
    counters = []
    try:
        for zone in sorted(POWERCAP.glob("intel-rapl:*")):
            name = (zone / "name").read_text().strip()
            if name.startswith("package") or name == "dram":
                wraps_at = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counters.append(Counter(partial(_read_uj, zone / "energy_uj"), wraps_at))
                counters[-1].read()
    except (OSError, ValueError):  # on many machines only root may read them
        return []
    return counters


def _nvml(devices: int) -> list[Counter]:
    """Counters of the first `devices` GPU boards (`nvmlDeviceGetTotalEnergyConsumption`, Volta and later)."""
    import pynvml

    try:
        pynvml.nvmlInit()
        boards = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(devices)]
        counters = [Counter(partial(_read_mj, board)) for board in boards]
        for counter in counters:
            counter.read()
    except pynvml.NVMLError:
        return []
    return counters


def _read_uj(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _read_mj(board: Any) -> float:
    import pynvml

    return pynvml.nvmlDeviceGetTotalEnergyConsumption(board) / 1e3
