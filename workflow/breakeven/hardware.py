"""Hardware profiles: the machine that a cell runs on. `machine.limits` says whether this machine is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal, cast

from breakeven.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Requests to a SLURM cluster beyond those that follow from the profile: `slurm:` in its file."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None  # features of the nodes
    gres: str | None = None  # generic resources; None: as many GPUs as the profile has devices
    memory_gib: float | None = None  # per node and job; None: follows from the profile's own


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
        """CPU cores of one node that work on this profile keeps busy."""
        return self.threads * (self.devices if self.accelerator == "cpu" else 1)


def evaluation_profile(accelerator: str) -> HardwareProfile:
    """The profile that quality is evaluated on: one device of the kind, of any size, since nothing is timed.

    Raises:
        UserError: no such kind of accelerator.
    """
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
