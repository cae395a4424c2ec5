"""Hardware profiles: what a cell runs on, and whether this machine can give it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, cast

import psutil

from breakeven.errors import UserError
from breakeven.jobs.slurm import Slurm, place
from breakeven.machine import link
from breakeven.units.schema import read_yaml

CGROUP = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60  # bytes: what the first version of cgroups writes for no limit is above this


@dataclass(frozen=True, kw_only=True)
class HardwareProfile:
    """One `hardware/<name>.yaml`."""

    name: str
    accelerator: Literal["cpu", "cuda"]
    devices: int  # processes on a CPU, GPUs on CUDA, per node
    nodes: int
    threads: int  # per process
    memory_gib: float  # per device
    device_pattern: str  # regular expression that the CPU's or GPU's name must match
    network_mbit: float | None = None  # rate of the link between processes, 10⁶ bits a second; None: unthrottled
    watts: float | None = None  # of the whole profile at work, where nothing on the machine measures it
    watts_source: str | None = None
    usd_per_hour: float | None = None
    price_source: str | None = None
    price_date: date | None = None
    slurm: Slurm = field(default_factory=Slurm)

    @property
    def cores(self) -> int:
        """CPU cores that work on this profile keeps busy."""
        return self.threads * (self.devices if self.accelerator == "cpu" else 1)

    def missing(self) -> str | None:
        """Why this machine cannot give the profile, or None. Never falls back to something slower.

        On several nodes: this process's share of them, where one `srun` has started all of the profile's processes.
        """
        if self.nodes > 1 and not self.spread:
            how = "run with --workflow-profile workflow/profiles/slurm, on a cluster that has them"
            return f"needs {self.nodes} nodes, and {self.devices} task(s) of srun on each: {how}"
        busy = self.threads if self.spread else self.cores  # SLURM may bind each task to its own
        cores, memory_gib = cores_allowed(), memory_allowed_bytes() / 2**30
        if cores < busy:
            return f"needs {busy} cores, this process may use {cores:g}: run on a larger machine"
        if self.network_mbit is not None and (reason := self._missing_network()):
            return reason
        if self.accelerator == "cpu":
            if memory_gib < self.memory_gib * self.devices:
                needed = self.memory_gib * self.devices
                return f"needs {needed:g} GiB of memory, this process may use {memory_gib:.1f}: run on a larger machine"
            return self._mismatch(cpu_model())
        return self._missing_cuda()

    @property
    def spread(self) -> bool:
        """Whether one `srun` has started this process as one of the profile's on all its nodes."""
        found = place()
        return self.nodes > 1 and (found.nodes, found.ranks) == (self.nodes, self.nodes * self.devices)

    def _missing_network(self) -> str | None:
        if self.nodes > 1:
            return "a link of a known rate between nodes cannot be made: take a profile without network"
        if self.accelerator != "cpu":
            return "a link of a known rate between GPUs cannot be made: GPUs of one machine do not meet on its network"
        if reason := link.unavailable():
            return f"{reason}: run as root on Linux, or take a profile without network"
        return None

    def _missing_cuda(self) -> str | None:
        gpus = gpus_found()  # not by torch: it would start CUDA here, which the processes forked from here then lack
        if len(gpus) < self.devices:
            return f"needs {self.devices} CUDA device(s), nvidia-smi shows {len(gpus)}: check it and the driver"
        for gpu in gpus[: self.devices]:
            if gpu.memory_gib < self.memory_gib:
                needed = f"needs {self.memory_gib:g} GiB on the GPU, {gpu.name} has {gpu.memory_gib:.1f}"
                return f"{needed}: use a GPU with more, or lower the profile's memory_gib"
        return self._mismatch(gpus[0].name)

    def _mismatch(self, device: str) -> str | None:
        if re.search(self.device_pattern, device):
            return None
        found = f"device_pattern '{self.device_pattern}' does not match the device found, '{device}'"
        return f"{found}: run on that device, or use another profile"


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver describes it."""

    name: str
    memory_gib: float
    driver: str


@cache
def gpus_found() -> list[Gpu]:
    """The GPUs that nvidia-smi lists; none where there is no such tool."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.rsplit(", ", 2) for line in done.stdout.strip().splitlines()] if done.returncode == 0 else []
    return [Gpu(name, float(mib) / 1024, driver) for name, mib, driver in lines]


@cache
def cpu_model() -> str:
    """The processor's name as the kernel gives it."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def cores_allowed() -> float:
    """Cores this process may use: by its affinity and, in a container, by its quota."""
    affinity, quota = len(os.sched_getaffinity(0)), cgroup_cores()
    return affinity if quota is None else min(affinity, quota)


def memory_allowed_bytes() -> int:
    """Memory this process may use: the machine's or, in a container, its limit."""
    machine, limit = psutil.virtual_memory().total, cgroup_memory_bytes()
    return machine if limit is None else min(machine, limit)


def cgroup_cores() -> float | None:
    """The tightest CPU quota of the control groups this process is in, in cores; None without one."""
    quotas = [re.match(r"(\d+) (\d+)", _read(folder / "cpu.max")) for folder in _cgroups("")]
    found = [int(quota[1]) / int(quota[2]) for quota in quotas if quota]
    for folder in _cgroups("cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # -1 is no quota
            found.append(int(quota) / int(period))
    return min(found, default=None)


def cgroup_memory_bytes() -> int | None:
    """The tightest memory limit of the control groups this process is in; None without one."""
    files = [*(f / "memory.max" for f in _cgroups("")), *(f / "memory.limit_in_bytes" for f in _cgroups("memory"))]
    limits = [int(text) for text in map(_read, files) if text.isdecimal() and int(text) < UNLIMITED]
    return min(limits, default=None)


def _cgroups(controller: str) -> list[Path]:
    """This process's control group and those above it; `controller` is of version 1, none means version 2.

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


def read_profile(path: Path) -> HardwareProfile:
    """The profile in a YAML file.

    Raises:
        UserError: the file is not YAML, or breaks `schemas/hardware.schema.yaml`.
    """
    content = read_yaml(path, schema="hardware")
    network_mbit = content.pop("network", {}).get("rate_mbit")
    slurm = Slurm(**content.pop("slurm", {}))
    return HardwareProfile(name=path.stem, network_mbit=network_mbit, slurm=slurm, **content)


def evaluation_profile(accelerator: str) -> HardwareProfile:
    """What quality is evaluated on: one device of the kind, whatever its size, since nothing is timed there."""
    if accelerator not in ("cpu", "cuda"):
        raise UserError(f"accelerator '{accelerator}': write cpu or cuda")
    return HardwareProfile(
        name=accelerator,
        accelerator=cast(Literal["cpu", "cuda"], accelerator),
        devices=1,
        nodes=1,
        threads=1,
        memory_gib=0,
        device_pattern="",
    )
