"""Measure the efficiency of two processes over one, for each training method, with the same steps of the same batches.

The two runs of a pair follow one another. Efficiency is t(1) / (2 · t(2)), where t is the time of the steps alone,
without start-up and validation. The script also prints the bytes sent per step, and the memory above the imports of the
process that holds most. It first prints a bound: two independent trainings of half a batch each, side by side.
"""

import argparse
import multiprocessing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from breakeven.jobs import forkserver
from breakeven.machine import limits
from breakeven.stages.train import fit as training
from breakeven.stages.train.clock import Fit
from breakeven.units import registry

TASKS = ["fashion_mnist", "movie_sentiment", "mandarin_initials"]
WAYS = ["ddp", "ddp-sent=float16", "ddp-sent=powersgd", "zero1", "fsdp", "local_sgd-together=0", "diloco"]
WAYS += ["tensor_parallel", "pipeline_parallel"]
ALONE = ("single_device", "cpu_1")


@dataclass(frozen=True)
class Run:
    """A training of a few steps, and its figures."""

    fit: Fit
    baseline: int  # bytes held after imports

    @property
    def step_s(self) -> float:
        return self.fit.train_time_s / self.fit.steps

    @property
    def rank_mb(self) -> float:
        return (self.fit.rank_grown_bytes + self.fit.resident_bytes - self.baseline) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--ways", nargs="+", default=WAYS, help="training methods")
    parser.add_argument("--hardware", nargs="+", default=["cpu_2x1", "cpu_2x1_200mbit"], help="of two processes each")
    parser.add_argument("--epochs", type=float, default=0.1, help="epochs of each training")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    forkserver.preload()
    for task in options.tasks:
        registry.task(task).prepare()
        print(f"\n{task}, {registry.task(task).recipe.batch_size} samples a step", flush=True)
        print(f"  {'bound':41} {bound(task, options)}", flush=True)
        for hardware in options.hardware:
            for way in options.ways:
                print(f"  {hardware:16} {way:24} {compared(task, way, hardware, options)}", flush=True)


def compared(task: str, way: str, hardware: str, options: argparse.Namespace) -> str:
    """Compare a training method with one process, in turns; return the line to print."""
    efficiencies = []
    for _ in range(options.repetitions):
        (alone,), (several,) = beside((task, *ALONE, options.epochs)), beside((task, way, hardware, options.epochs))
        if failed := [run for run in (several, alone) if isinstance(run, str)]:
            return failed[0]
        efficiencies.append(alone.step_s / several.step_s / several.fit.world_size)
    sent = several.fit.communicated_bytes
    a_step = "not counted" if sent is None else f"{sent / several.fit.steps / 1e6:.2f} MB"
    times = f"{several.step_s * 1e3:.0f} ms a step, alone {alone.step_s * 1e3:.0f}"
    held = f"held {several.rank_mb:.0f} MB, alone {alone.rank_mb:.0f}"
    return f"efficiency {spread(efficiencies)}, {times}, sent {a_step}, {held}"


def bound(task: str, options: argparse.Namespace) -> str:
    """Measure the efficiency of two processes that do not communicate; return the line to print."""
    efficiencies = []
    for _ in range(options.repetitions):
        (alone,), halves = beside((task, *ALONE, options.epochs)), beside(*[(task, *ALONE, options.epochs, 2)] * 2)
        if failed := [run for run in (alone, *halves) if isinstance(run, str)]:
            return failed[0]
        efficiencies.append(alone.step_s / max(half.step_s for half in halves) / len(halves))
    return f"efficiency {spread(efficiencies)}"


def spread(values: list[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def beside(*trainings: tuple[Any, ...]) -> list[Any]:
    """Run trainings side by side, each in its own process that has computed nothing before.

    Args:
        trainings: the arguments of `train` for each.

    Returns:
        For each training its `Run`, or the error message where it failed.
    """
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe() for _ in trainings]
    processes = [
        fork.Process(target=train, args=(there, *told)) for (_, there), told in zip(pipes, trainings, strict=True)
    ]
    for process in processes:
        process.start()
    found = [here.recv() for here, _ in pipes]
    for process in processes:
        process.join()
    return found


def train(pipe: Connection, task_text: str, way: str, hardware_name: str, epochs: float, shares: int = 1) -> None:
    """Train with one of `shares` equal shares of each batch, and send the `Run` or an error message."""
    task, method, hardware = registry.task(task_text), registry.method(way), registry.hardware(hardware_name)
    if shares > 1:
        type(task).recipe = replace(task.recipe, batch_size=task.recipe.batch_size // shares)
    try:
        if reason := method.unsupported(task, hardware) or limits.missing(hardware):
            pipe.send(reason)
            return
        baseline = training.start(0, hardware)
        pipe.send(Run(training.fit(task, task.model(), method, hardware, 0, epochs, validate=False)[0], baseline))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    main()
