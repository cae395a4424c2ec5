"""Requests of jobs to a SLURM cluster, by their hardware profiles; the command that starts a job on several nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from breakeven.grid.cells import Grid
from breakeven.hardware import HardwareProfile
from breakeven.units import registry

Asked = int | str | None  # None: nothing is asked for
MARGIN_MIN = 15  # minutes that a cluster gives a job beyond its own limit: to start, to try again, to record its end
OVERHEAD_MB = 2500  # of a job beside its work: Snakemake, which starts it, and the imports of its processes


def resources(
    grid: Grid,
    profile: Callable[[Any], str],
    alone: Callable[[Any], bool] | None = None,
    models: int = 1,
    spread: Callable[[], bool] | None = None,
) -> dict[str, Callable[[Any], Asked]]:
    """Resources of a rule, each a function of a job's wildcards, as Snakemake takes them.

    A resource that no profile of the grid asks for is left out, so that the run's own `default-resources` holds.

    Args:
        profile: names the hardware profile of a job.
        alone: says that a job must have its nodes to itself, since it is timed; None: no job of the rule.
        models: number of processes that may fill the memory of the profile at once.
        spread: says that jobs of this run get all nodes of their profile; None: no job of the rule needs more than one.
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
    """The facts of a hardware profile that change a job's result: all but the price, which boards read anew."""
    p = registry.hardware(hardware)
    link = f" {p.network_mbit:g} Mbit/s" if p.network_mbit else ""
    return f"{p.nodes}x{p.devices}x{p.threads} {p.accelerator} {p.memory_gib:g} GiB {p.device_pattern}{link}"


def launcher(hardware: str, given: Any) -> str:
    """The start of a training's command line: `srun`, with one task per process, where the job got several nodes.

    A rank that has finished may wait for none (`--wait=0`); one that fails takes the others along.

    Args:
        given: the resources that Snakemake has given the job.
    """
    if not given.get("mpi"):
        return ""
    p = registry.hardware(hardware)
    size = f"--nodes={p.nodes} --ntasks={p.nodes * p.devices} --ntasks-per-node={p.devices}"
    return f"srun {size} --cpus-per-task={p.threads} --kill-on-bad-exit=1 --wait=0 --label "


@cache  # a plan asks for each resource of each job
def asked(hardware: HardwareProfile, alone: bool, models: int, spread: bool) -> dict[str, Asked]:
    """Names and values of resources, as the executor plug-in `slurm` reads them.

    Args:
        alone: the job must have its nodes to itself.
        models: number of processes that may fill the memory of the profile at once.
        spread: the job runs on all nodes of the profile; else on one of them.
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
