"""The bench of a calibration: two models, processes of their own, and a busy core."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from breakeven import protocol
from breakeven.hardware import HardwareProfile
from breakeven.protocol import MODES, Mode
from breakeven.stages import modules
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.lockstep import Timing
from breakeven.stages.measure.served_model import Served
from breakeven.task import Task
from breakeven.units import registry

TASK = "mandarin_initials"  # real data, and a model so small that the harness's own overhead would show
ONE = {"single_stream": 1}
TRIES = 3  # attempts to time without foreign load
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """The models, task and hardware that the checks measure on."""

    model: Path
    other: Path  # another model of the same shape
    task: Task
    hardware: HardwareProfile

    def measure(self, runtime: str, mode: Mode, seed: int = 0, beside: str = "eager") -> Timing:
        """Time the model in a planted runtime beside itself in another, batch 1."""
        cell, reference = Served(self.model, runtime), Served(self.model, beside)
        return lockstep.measure(cell, reference, self.task, self.hardware, mode, seed, ONE)

    def undisturbed(self, runtime: str, seed: int = 0, beside: str = "eager") -> Timing:
        """Time as for a cell, and repeat if other programs used the machine: such rows are not ranked either."""
        for _ in range(TRIES):
            timing = self.measure(runtime, MODES["quick"], seed, beside)
            if not protocol.is_contended(timing.foreign_load_percent["single_stream"]):
                break
        return timing


def make_models(folder: Path, hardware: HardwareProfile) -> Bench:
    """Make two untrained models of the task, whose speed does not depend on their weights.

    They are made in another process, because this one must compute nothing before it forks.
    """
    task = registry.task(TASK)
    task.prepare()
    bench = Bench(folder / "model.pt", folder / "other.pt", task, hardware)
    apart(_save_models, bench)
    return bench


def apart(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a function in a process of its own, because this process must compute nothing before it forks."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(function(*arguments, **options)))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


@contextmanager
def burning() -> Iterator[None]:
    """Keep a core busy with another process."""
    process = multiprocessing.get_context("fork").Process(target=_burn, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _burn() -> None:
    while True:
        pass


def _save_models(bench: Bench) -> None:
    for path in (bench.model, bench.other):
        modules.save_module(bench.task.model(), path)
