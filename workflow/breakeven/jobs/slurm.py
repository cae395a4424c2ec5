"""What jobs ask a SLURM cluster for, by their hardware profile and its `slurm:`; where a process is in its job."""

from __future__ import annotations

import os
import socket
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


@dataclass(frozen=True)
class Place:
    """Where this process is among those that one `srun` has started."""

    nodes: int
    ranks: int
    rank: int
    local_rank: int  # among those of its node
    node: str


def place() -> Place:
    """As `srun` tells its tasks; a process that it did not start is alone."""
    counts = [("STEP_NUM_NODES", 1), ("STEP_NUM_TASKS", 1), ("PROCID", 0), ("LOCALID", 0)]
    nodes, ranks, rank, local_rank = (int(os.environ.get(f"SLURM_{name}", default)) for name, default in counts)
    return Place(nodes, ranks, rank, local_rank, os.environ.get("SLURMD_NODENAME", socket.gethostname()))


def launcher(hardware: HardwareProfile) -> str:
    """What starts a job on all nodes of a profile: a task for each of its processes.

    A rank that has finished may wait for none (`--wait=0`); one that fails takes the others along.
    """
    ranks = hardware.nodes * hardware.devices
    size = f"--nodes={hardware.nodes} --ntasks={ranks} --ntasks-per-node={hardware.devices}"
    return f"srun {size} --cpus-per-task={hardware.threads} --kill-on-bad-exit=1 --wait=0 --label "


@cache  # a plan asks for each resource of each job
def asked(hardware: HardwareProfile, alone: bool, models: int, spread: bool) -> dict[str, Asked]:
    """Names and values as the executor plugin `slurm` reads them.

    Args:
        alone: whether the job must have its nodes to itself.
        models: how many processes may fill the memory of the profile at once.
        spread: whether the job runs on all nodes of the profile; else on one of them.
    """
    slurm, work_gib = hardware.slurm, hardware.memory_gib * max(hardware.devices, models)
    gpus = f"gpu:{hardware.devices}" if hardware.accelerator == "cuda" else None
    several = spread and hardware.nodes > 1
    overhead_mb = OVERHEAD_MB * (hardware.devices if several else 1)  # each task imports for itself
    per_node = f"--ntasks-per-node={hardware.devices}" if several else None
    return {
        "mem_mb": round(slurm.memory_gib * 1024) if slurm.memory_gib else round(work_gib * 1024) + overhead_mb,
        "nodes": hardware.nodes if several else None,
        "tasks": hardware.nodes * hardware.devices if several else None,
        "cpus_per_task": hardware.threads if several else None,  # else the job's threads
        "mpi": "srun" if several else None,  # or the plug-in would start the job by an `srun` of its own
        "tasks_per_gpu": 0 if several and gpus else None,  # or the plug-in takes `tasks` for it
        "gres": slurm.gres or gpus,
        "slurm_partition": slurm.partition,
        "slurm_account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "slurm_extra": " ".join(filter(None, ["--exclusive" if alone else None, per_node])) or None,
    }
