"""The place of this process among the processes that one `srun` has started."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class Place:
    """One process of a job step."""

    nodes: int  # nodes of the step
    ranks: int  # processes of the step
    rank: int
    local_rank: int  # among the processes of its node
    node: str


def place() -> Place:
    """Read the place from the variables that `srun` sets. A process without these variables is alone."""
    counts = [("STEP_NUM_NODES", 1), ("STEP_NUM_TASKS", 1), ("PROCID", 0), ("LOCALID", 0)]
    nodes, ranks, rank, local_rank = (int(os.environ.get(f"SLURM_{name}", default)) for name, default in counts)
    return Place(nodes, ranks, rank, local_rank, os.environ.get("SLURMD_NODENAME", socket.gethostname()))


def spread(hardware: HardwareProfile) -> bool:
    """Return True if one `srun` has started this process as one of the profile's, on all nodes of the profile."""
    here = place()
    return hardware.nodes > 1 and (here.nodes, here.ranks) == (hardware.nodes, hardware.nodes * hardware.devices)
