"""Resource requests to a SLURM cluster from hardware profiles; the command that starts a job on several nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from breakeven.grid.cells import Grid
from breakeven.hardware import HardwareProfile
from breakeven.units import registry

Asked = int | str | None  # None: not requested
MARGIN_MIN = 15  # minutes that a cluster gives a job beyond its own limit: to start, to retry, to record its end
OVERHEAD_MB = 2500  # memory of a job beside its work: Snakemake, which starts it, and its processes' imports


def resources(
    grid: Grid,
    profile: Callable[[Any], str],
    alone: Callable[[Any], bool] | None = None,
    models: int = 1,
    spread: Callable[[], bool] | None = None,
) -> dict[str, Callable[[Any], Asked]]:
    """Resources of a rule in Snakemake's form: each is a function of a job's wildcards.

    A resource that no profile of the grid requests is left out. Then the run's own `default-resources` hold.

    Args:
        profile: returns the name of a job's hardware profile.
        alone: returns True for a timed job, which must have its nodes to itself; None: no job of the rule is timed.
        models: number of processes that may fill the memory of the profile at the same time.
        spread: returns True if jobs of this run get all nodes of their profile; None: one node is enough for the rule.
    """

    def resource(name: str) -> Callable[[Any], Asked]:
        def of(wildcards: Any) -> Asked:
            timed = alone is not None and alone(wildcards)
            everywhere = spread is not None and spread()
            return asked(registry.hardware(profile(wildcards)), timed, models, everywhere)[name]

        return of

    trained = [*grid.training_cells, *(cell.trained for cell in grid.inference_cells)]
    profiles = {cell.hardware for cell in trained} | {cell.hardware for cell in grid.inference_cells}
    every = [asked(registry.hardware(name), alone is not None, models, spread is not None) for name in profiles]
    return {name: resource(name) for name in dict.fromkeys(n for each in every for n in each if each[n] is not None)}


def evaluated_on(grid: Grid, accelerator: str) -> str:
    """The hardware profile whose nodes evaluate on that kind of accelerator."""
    return next(cell.hardware for cell in grid.inference_cells if registry.accelerator(cell.hardware) == accelerator)


def threads(hardware: str) -> int:
    """Cores that a job on this profile keeps busy."""
    return registry.hardware(hardware).cores


def execution(hardware: str) -> str:
    """The fields of a hardware profile that change a job's result: all but the price, which boards read anew."""
    p = registry.hardware(hardware)
    link = f" {p.network_mbit:g} Mbit/s" if p.network_mbit else ""
    return f"{p.nodes}x{p.devices}x{p.threads} {p.accelerator} {p.memory_gib:g} GiB {p.device_pattern}{link}"


def launcher(hardware: str, given: Any) -> str:
    """The start of a training's command line: `srun` with one task per process if the job got several nodes.

    Ranks may finish at different times (`--wait=0`). A rank that fails ends the others (`--kill-on-bad-exit`).

    Args:
        given: the resources that Snakemake has given the job.
    """
    if not given.get("mpi"):
        return ""
    p = registry.hardware(hardware)
    size = f"--nodes={p.nodes} --ntasks={p.nodes * p.devices} --ntasks-per-node={p.devices}"
    return f"srun {size} --cpus-per-task={p.threads} --kill-on-bad-exit=1 --wait=0 --label "


@cache  # a plan reads each resource of each job
def asked(hardware: HardwareProfile, alone: bool, models: int, spread: bool) -> dict[str, Asked]:
    """Names and values of resources for the executor plug-in `slurm`.

    Args:
        alone: the job must have its nodes to itself.
        models: number of processes that may fill the memory of the profile at the same time.
        spread: True: the job runs on all nodes of the profile; False: it runs on one of them.
    """
    slurm, work_gib = hardware.slurm, hardware.memory_gib * max(hardware.devices, models)
    gpus = f"gpu:{hardware.devices}" if hardware.accelerator == "cuda" else None
    several = spread and hardware.nodes > 1
    overhead_mb = OVERHEAD_MB * (hardware.devices if several else 1)  # each task imports the libraries itself
    per_node = f"--ntasks-per-node={hardware.devices}" if several else None
    return {
        "mem_mb": round(slurm.memory_gib * 1024) if slurm.memory_gib else round(work_gib * 1024) + overhead_mb,
        "nodes": hardware.nodes if several else None,
        "tasks": hardware.nodes * hardware.devices if several else None,
        "cpus_per_task": hardware.threads if several else None,  # None: the plug-in takes the job's threads
        "mpi": "srun" if several else None,  # else the plug-in starts the job by its own `srun`
        "tasks_per_gpu": 0 if several and gpus else None,  # else the plug-in derives it from `tasks`
        "gres": slurm.gres or gpus,
        "slurm_partition": slurm.partition,
        "slurm_account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "slurm_extra": " ".join(filter(None, ["--exclusive" if alone else None, per_node])) or None,
    }
