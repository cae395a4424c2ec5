"""Energy as the devices themselves count it, read by one process per node; a labelled estimate where none do.

What the field's trackers do on a shared machine, read before choosing (zeus 0.16, codecarbon 3.3):

- Zeus reads the same counters as we do at both ends of a window and gives a window all that the device drew. It
  starts a process per CPU package that wakes every second beside what is timed.
- codecarbon samples from a thread, by default every 15 s, and shares out the machine's power by processor load; on a
  CPU without counters it takes a constant. A turn of 100 ms disappears between its samples.

Both give a window the whole device. That is right only where a timed job owns the machine, as it does here: what
others take is detected and flagged. So the counters are read directly, GPUs by NVIDIA's own library and CPUs from the
kernel's powercap files, and a job that shares the machine gets an estimate or nothing, never a counter's figure.
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
    """A count of joules that only grows, but for beginning again at `wraps_at`."""

    read: Callable[[], float]
    wraps_at: float = float("inf")

    def used(self, before: float, after: float) -> float:
        """Joules between two readings that lie less than one round of the counter apart."""
        return after - before if after >= before else after - before + self.wraps_at


class Meter:
    """Counts what a profile's devices on this node draw. `method` says how; readings are opaque."""

    def __init__(self, hardware: HardwareProfile) -> None:
        found = _nvml(hardware.devices) if hardware.accelerator == "cuda" else _rapl()
        self.method = NVML if hardware.accelerator == "cuda" else RAPL
        if not found:
            watts = hardware.watts
            self.method = NONE if watts is None else ESTIMATE
            found = [] if watts is None else [Counter(lambda: time.perf_counter() * watts / hardware.nodes)]
        self.counters = found

    def read(self) -> list[float]:
        """The state of all counters now."""
        return [counter.read() for counter in self.counters]

    def used(self, before: list[float]) -> float | None:
        """Joules since `before`; None where nothing counts or estimates them."""
        if not self.counters:
            return None
        return sum(c.used(b, a) for c, b, a in zip(self.counters, before, self.read(), strict=True))


def _rapl() -> list[Counter]:
    """CPU packages and their memory (`intel-rapl`, which AMD's processors have too), if this user may read them all."""
    counters = []
    try:
        for zone in sorted(POWERCAP.glob("intel-rapl:*")):
            name = (zone / "name").read_text().strip()
            if name.startswith("package") or name == "dram":
                wraps_at = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counters.append(Counter(partial(_read_uj, zone / "energy_uj"), wraps_at))
                counters[-1].read()
    except (OSError, ValueError):  # root alone may read them on many machines
        return []
    return counters


def _nvml(devices: int) -> list[Counter]:
    """The boards of the first `devices` GPUs (`nvmlDeviceGetTotalEnergyConsumption`, Volta and later)."""
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
