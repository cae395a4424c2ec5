"""What jobs ask a SLURM cluster for; it follows from their hardware profile and its `slurm:`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile

Asked = int | str | None  # None: nothing is asked for
MARGIN_MIN = 15  # minutes that a cluster gives a job beyond its own limit: to start, to try again, to record its end
OVERHEAD_MB = 2500  # of a job beside its work: Snakemake, which starts it, and the imports of its processes


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """What a cluster is asked for beside what the profile says: `slurm:` in its file."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None  # features of the nodes
    gres: str | None = None  # generic resources; None: as many GPUs as the profile has devices
    memory_gib: float | None = None  # per node and job; None: what follows from the profile's own


@cache  # a plan asks for each resource of each job
def asked(hardware: HardwareProfile, alone: bool, models: int) -> dict[str, Asked]:
    """Names and values as the executor plugin `slurm` reads them.

    Args:
        alone: whether the job must have its nodes to itself.
        models: how many processes may fill the memory of the profile at once.
    """
    slurm, work_gib = hardware.slurm, hardware.memory_gib * max(hardware.devices, models)
    gpus = f"gpu:{hardware.devices}" if hardware.accelerator == "cuda" else None
    several = hardware.nodes > 1
    return {
        "mem_mb": round(slurm.memory_gib * 1024) if slurm.memory_gib else round(work_gib * 1024) + OVERHEAD_MB,
        "nodes": hardware.nodes if several else None,
        "tasks": hardware.nodes * hardware.devices if several else None,
        "cpus_per_task": hardware.threads if several else None,  # else the job's threads
        "gres": slurm.gres or gpus,
        "slurm_partition": slurm.partition,
        "slurm_account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "slurm_extra": "--exclusive" if alone else None,
    }
