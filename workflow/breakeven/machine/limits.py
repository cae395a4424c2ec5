"""Limits of this machine: its devices, and the cores and the memory that this process may use.

`missing` compares them with a hardware profile.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from breakeven.hardware import HardwareProfile
from breakeven.machine import link
from breakeven.machine.place import spread

CGROUP = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60  # bytes: version 1 of cgroups writes a larger number where there is no limit


def missing(hardware: HardwareProfile) -> str | None:
    """The reason why this machine cannot provide the profile; None if it can. Nothing slower ever replaces a profile.

    A profile of several nodes is available if one `srun` has started all its processes. Then this function checks this
    process's share of the profile.
    """
    here = spread(hardware)
    if hardware.nodes > 1 and not here:
        how = "run with --workflow-profile workflow/profiles/slurm, on a cluster that has them"
        return f"needs {hardware.nodes} nodes, and {hardware.devices} task(s) of srun on each: {how}"
    busy = hardware.threads if here else hardware.cores  # SLURM may bind each task to its own cores
    cores, memory_gib = cores_allowed(), memory_allowed_bytes() / 2**30
    if cores < busy:
        return f"needs {busy} cores, this process may use {cores:g}: run on a larger machine"
    if hardware.network_mbit is not None and (reason := _missing_network(hardware)):
        return reason
    if hardware.accelerator == "cpu":
        needed_gib = hardware.memory_gib * hardware.devices
        if memory_gib < needed_gib:
            return f"needs {needed_gib:g} GiB of memory, this process may use {memory_gib:.1f}: run on a larger machine"
        return _mismatch(hardware, cpu_model())
    return _missing_cuda(hardware)


def _missing_network(hardware: HardwareProfile) -> str | None:
    if hardware.nodes > 1:
        return "a link of a known rate between nodes cannot be made: take a profile without network"
    if hardware.accelerator != "cpu":
        return "a link of a known rate between GPUs cannot be made: GPUs of one machine do not meet on its network"
    if reason := link.unavailable():
        return f"{reason}: run as root on Linux, or take a profile without network"
    return None


def _missing_cuda(hardware: HardwareProfile) -> str | None:
    # No use of torch: it would start CUDA here, and processes forked from this one could then not use CUDA.
    gpus = gpus_found()
    if len(gpus) < hardware.devices:
        return f"needs {hardware.devices} CUDA device(s), nvidia-smi shows {len(gpus)}: check it and the driver"
    for gpu in gpus[: hardware.devices]:
        if gpu.memory_gib < hardware.memory_gib:
            needed = f"needs {hardware.memory_gib:g} GiB on the GPU, {gpu.name} has {gpu.memory_gib:.1f}"
            return f"{needed}: use a GPU with more, or lower the profile's memory_gib"
    return _mismatch(hardware, gpus[0].name)


def _mismatch(hardware: HardwareProfile, device: str) -> str | None:
    if re.search(hardware.device_pattern, device):
        return None
    found = f"device_pattern '{hardware.device_pattern}' does not match the device found, '{device}'"
    return f"{found}: run on that device, or use another profile"


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver describes it."""

    name: str
    memory_gib: float
    driver: str


@cache
def gpus_found() -> list[Gpu]:
    """List the GPUs that nvidia-smi shows; an empty list without nvidia-smi."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.rsplit(", ", 2) for line in done.stdout.strip().splitlines()] if done.returncode == 0 else []
    return [Gpu(name, float(mib) / 1024, driver) for name, mib, driver in lines]


@cache
def cpu_model() -> str:
    """The processor's name from the kernel."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def cores_allowed() -> float:
    """Number of cores that this process may use, by its affinity and, in a container, by its quota."""
    affinity, quota = len(os.sched_getaffinity(0)), cgroup_cores()
    return affinity if quota is None else min(affinity, quota)


def memory_allowed_bytes() -> int:
    """Bytes of memory that this process may use: the machine's memory or, in a container, its limit."""
    machine, limit = psutil.virtual_memory().total, cgroup_memory_bytes()
    return machine if limit is None else min(machine, limit)


def cgroup_cores() -> float | None:
    """The tightest CPU quota, in cores, of this process's control groups; None without a quota."""
    quotas = [re.match(r"(\d+) (\d+)", _read(folder / "cpu.max")) for folder in _cgroups("")]
    found = [int(quota[1]) / int(quota[2]) for quota in quotas if quota]
    for folder in _cgroups("cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # a quota of -1 means no quota
            found.append(int(quota) / int(period))
    return min(found, default=None)


def cgroup_memory_bytes() -> int | None:
    """The tightest memory limit, in bytes, of this process's control groups; None without a limit."""
    files = [*(f / "memory.max" for f in _cgroups("")), *(f / "memory.limit_in_bytes" for f in _cgroups("memory"))]
    limits = [int(text) for text in map(_read, files) if text.isdecimal() and int(text) < UNLIMITED]
    return min(limits, default=None)


def _cgroups(controller: str) -> list[Path]:
    """This process's control group and the groups above it. `controller` names one of version 1; "" means version 2.

    `proc(5)`, /proc/[pid]/cgroup: lines of `hierarchy:controllers:path`. A container may see its own group as the root.
    """
    for line in _read(OWN_CGROUP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            root = CGROUP / controller
            own = root / path.lstrip("/")
            return [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
