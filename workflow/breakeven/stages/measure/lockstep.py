"""Times a model file in lockstep with its reference, each in fresh processes (protocol, section 1)."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple

import numpy as np

from breakeven.errors import CellFailure, death
from breakeven.hardware import HardwareProfile
from breakeven.machine import memory
from breakeven.machine.energy import Meter
from breakeven.machine.load import ForeignLoad
from breakeven.protocol import SCENARIOS, UNTIMED_CALLS, Mode
from breakeven.stages.measure.served_model import Memory, Model, Served, serve
from breakeven.task import Task

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass
class Window:
    """The measurements of one pair of processes in one scenario."""

    pair: int
    latencies_ms: np.ndarray  # latencies of the cell, one per call
    reference_ms: np.ndarray  # latencies of the reference, one per call
    round_ratios: np.ndarray  # reference's mean latency divided by the cell's, one per round of bursts
    energy_j: float | None = None  # energy of one sample served by the cell
    reference_energy_j: float | None = None

    @property
    def speedup(self) -> float:
        """Return the speed-up of this pair: the median ratio of its rounds."""
        return float(np.median(self.round_ratios))


@dataclass
class Timing:
    """All windows of a cell, with the load, load time and energy method around them."""

    windows: dict[str, list[Window]]  # by scenario
    foreign_load_percent: dict[str, float]  # the highest, by scenario
    energy_method: str
    load_time_s: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)  # from fork to ready, including the load time
    warmup_calls: int = 0  # per scenario, over all processes
    window_s: float = 0.0  # time of warm-up and bursts over all windows


def measure(
    cell: Served,
    reference: Served,
    task: Task,
    hardware: HardwareProfile,
    mode: Mode,
    seed: int,
    scenarios: Mapping[str, int] = SCENARIOS,
) -> Timing:
    """Time `cell` beside `reference` in `mode.pairs` fresh pairs of processes.

    Call it from a process that has imported the models' libraries and computed nothing: the pairs are its forks.

    Raises:
        CellFailure: a process failed to load or run its model, or serves another model than the evaluated one.
    """
    meter = Meter(hardware)
    timing = Timing({name: [] for name in scenarios}, dict.fromkeys(scenarios, 0.0), meter.method)
    for pair in range(mode.pairs):
        began = time.perf_counter()
        with _Worker(reference, task, hardware, seed) as theirs, _Worker(cell, task, hardware, seed) as ours:
            theirs.wait_ready()
            timing.load_time_s.append(ours.wait_ready())
            timing.start_s.append((time.perf_counter() - began) / 2)  # of one process of the pair
            began = time.perf_counter()
            for worker in (ours, theirs):  # warm-up is not timed, so both may warm up at once
                worker.send(Model.warm_up, list(scenarios.values()))
            timing.warmup_calls += ours.receive()
            theirs.receive()
            timing.window_s += time.perf_counter() - began
            for scenario, batch_size in scenarios.items():
                with ForeignLoad([theirs.pid, ours.pid]) as load:
                    window = _lockstep(ours, theirs, batch_size, mode, pair, meter)
                timing.window_s += load.elapsed_s
                timing.windows[scenario].append(window)
                timing.foreign_load_percent[scenario] = max(timing.foreign_load_percent[scenario], load.percent)
    return timing


def measure_memory(
    cell: Served, task: Task, hardware: HardwareProfile, seed: int, scenarios: Mapping[str, int] = SCENARIOS
) -> Memory:
    """Measure the peak memory of a process that loads and runs the model."""
    with _Worker(cell, task, hardware, seed) as worker:
        worker.wait_ready()
        return worker.ask(Model.memory, list(scenarios.values()))


@dataclass
class _Turns:
    """The bursts of one process and the energy that they used."""

    bursts: list[np.ndarray] = field(default_factory=list)
    joules: float | None = 0.0

    def take(self, worker: _Worker, batch_size: int, meter: Meter) -> None:
        before = meter.read()
        self.bursts.append(worker.ask(Model.burst, batch_size))
        used = meter.used(before)
        self.joules = None if used is None or self.joules is None else self.joules + used

    def enough(self, mode: Mode, batch_size: int) -> bool:
        calls = mode.calls if batch_size == 1 else mode.batch_calls
        return sum(map(len, self.bursts)) >= calls and sum(b.sum() for b in self.bursts) >= mode.seconds * 1e3

    def energy_j(self, batch_size: int) -> float | None:
        """Return the energy of one sample. The meter runs during the untimed calls too."""
        calls = sum(len(burst) + UNTIMED_CALLS for burst in self.bursts)
        return None if self.joules is None else self.joules / (calls * batch_size)


def _lockstep(ours: _Worker, theirs: _Worker, batch_size: int, mode: Mode, pair: int, meter: Meter) -> Window:
    """Let both processes take turns, in swapped order each round, until each has its minimum seconds and calls."""
    turns = {ours: _Turns(), theirs: _Turns()}
    while not all(taken.enough(mode, batch_size) for taken in turns.values()):
        order = (ours, theirs) if len(turns[ours].bursts) % 2 else (theirs, ours)
        for worker in order:
            turns[worker].take(worker, batch_size, meter)
    rounds = zip(turns[ours].bursts, turns[theirs].bursts, strict=True)
    return Window(
        pair=pair,
        latencies_ms=np.concatenate(turns[ours].bursts),
        reference_ms=np.concatenate(turns[theirs].bursts),
        round_ratios=np.array([reference.mean() / cell.mean() for cell, reference in rounds]),
        energy_j=turns[ours].energy_j(batch_size),
        reference_energy_j=turns[theirs].energy_j(batch_size),
    )


class _Worker:
    """The parent's handle of one process that serves a model and answers requests."""

    def __init__(self, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
        context = multiprocessing.get_context("fork")
        self.oom_kills = memory.oom_kills()
        self.pipe, theirs = context.Pipe()
        # Not a daemon, because the process may start others.
        self.process = context.Process(target=serve, args=(theirs, served, task, hardware, seed), name="serving")
        self.process.start()
        theirs.close()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def wait_ready(self) -> float:
        """Wait until the model is loaded; return the seconds of loading."""
        return self.receive()

    def ask(self, method: Callable[[Model, *Ts], T], *arguments: *Ts) -> T:
        """Have the process call a method of its model, and return the result.

        Raises:
            CellFailure: the model failed, or its process ended.
        """
        self.send(method, *arguments)
        return self.receive()

    def send(self, method: Callable[[Model, *Ts], object], *arguments: *Ts) -> None:
        """Have the process call a method of its model, and do not wait; `receive` returns the result."""
        try:
            self.pipe.send((method, arguments))
        except BrokenPipeError:
            self.receive()  # raises the reason why the process ended

    def receive(self) -> Any:
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join()
            raise death(
                "the serving process", self.process.exitcode or 0, memory.oom_kills() - self.oom_kills
            ) from error
        if isinstance(answer, CellFailure):
            raise answer
        return answer
