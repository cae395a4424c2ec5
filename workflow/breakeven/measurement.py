"""Times a model file in lockstep with its reference, each in fresh processes (protocol, section 1)."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from breakeven import memory, registry
from breakeven.errors import CellFailure, failure_of
from breakeven.hardware import HardwareProfile
from breakeven.method import Runtime
from breakeven.provenance import ForeignLoad
from breakeven.task import Task

BURST_S = 0.1  # one turn of one process
UNTIMED_CALLS = 2  # at the start of each turn: caches are the other's
WARMUP_CALLS, WARMUP_S = 10, 0.5
POOL = 256  # test samples each process draws its inputs from
SCENARIOS = {"single_stream": 1, "offline": 32}  # batch sizes
MEMORY_CALLS = 3  # per scenario, in the pass that looks at memory


@dataclass(frozen=True)
class Mode:
    """How long to measure."""

    pairs: int  # fresh pairs of processes
    seconds: float  # at least, per process and scenario
    calls: int  # at least, per process and scenario


MODES = {"quick": Mode(pairs=3, seconds=1.5, calls=64), "full": Mode(pairs=7, seconds=10.0, calls=662)}


@dataclass(frozen=True)
class Served:
    """A model file and what serves it."""

    path: Path
    runtime: str


@dataclass
class Window:
    """What one pair of processes gave in one scenario."""

    pair: int
    latencies_ms: np.ndarray  # of the cell, one per call
    reference_ms: np.ndarray  # of the reference
    round_ratios: np.ndarray  # reference's mean latency over the cell's, one per round of bursts


@dataclass
class Timing:
    """All windows of a cell, and what was seen around them."""

    windows: dict[str, list[Window]] = field(default_factory=lambda: {name: [] for name in SCENARIOS})
    load_time_s: list[float] = field(default_factory=list)
    warmup_calls: int = 0  # per scenario, over all processes
    foreign_load_percent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SCENARIOS, 0.0))  # the worst
    window_s: float = 0.0  # warm-up and bursts of all windows


def measure(cell: Served, reference: Served, task: Task, hardware: HardwareProfile, mode: Mode, seed: int) -> Timing:
    """Time `cell` beside `reference` in `mode.pairs` fresh pairs of processes.

    Call it from a process that has imported what the models need and computed nothing: the pairs are forked from it.

    Raises:
        CellFailure: a process failed to load or to run its model.
    """
    timing = Timing()
    for pair in range(mode.pairs):
        with _Worker(reference, task, hardware, seed) as theirs, _Worker(cell, task, hardware, seed) as ours:
            theirs.wait_ready()
            timing.load_time_s.append(ours.wait_ready())
            began = time.perf_counter()
            for worker in (ours, theirs):  # warm-up is not timed, so both may warm up at once
                worker.send("warm_up")
            timing.warmup_calls += ours.receive()
            theirs.receive()
            timing.window_s += time.perf_counter() - began
            for scenario, batch_size in SCENARIOS.items():
                with ForeignLoad([theirs.pid, ours.pid]) as load:
                    window = _lockstep(ours, theirs, batch_size, mode, pair)
                timing.window_s += load.elapsed_s
                timing.windows[scenario].append(window)
                timing.foreign_load_percent[scenario] = max(timing.foreign_load_percent[scenario], load.percent)
    return timing


def measure_memory(cell: Served, task: Task, hardware: HardwareProfile, seed: int) -> tuple[int, int]:
    """Peak memory of a process that loads and runs the model, in bytes: absolute, and above the level after imports."""
    with _Worker(cell, task, hardware, seed) as worker:
        worker.wait_ready()
        return worker.ask("memory")


def _lockstep(ours: _Worker, theirs: _Worker, batch_size: int, mode: Mode, pair: int) -> Window:
    """Let both take turns, the order swapped each round, until each has its seconds and its calls."""
    rounds: list[dict[_Worker, np.ndarray]] = []
    while not all(_enough([turn[worker] for turn in rounds], mode) for worker in (ours, theirs)):
        order = (ours, theirs) if len(rounds) % 2 else (theirs, ours)
        rounds.append({worker: worker.ask("burst", batch_size) for worker in order})
    return Window(
        pair=pair,
        latencies_ms=np.concatenate([turn[ours] for turn in rounds]),
        reference_ms=np.concatenate([turn[theirs] for turn in rounds]),
        round_ratios=np.array([turn[theirs].mean() / turn[ours].mean() for turn in rounds]),
    )


def _enough(bursts: list[np.ndarray], mode: Mode) -> bool:
    return sum(map(len, bursts)) >= mode.calls and sum(b.sum() for b in bursts) >= mode.seconds * 1e3


class _Worker:
    """The parent's handle of one process that serves a model and obeys."""

    def __init__(self, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, served, task, hardware, seed), daemon=True)
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
        """Seconds the model took to load."""
        return self.receive()

    def ask(self, what: str, *arguments: Any) -> Any:
        self.send(what, *arguments)
        return self.receive()

    def send(self, what: str, *arguments: Any) -> None:
        try:
            self.pipe.send((what, arguments))
        except BrokenPipeError:
            self.receive()  # says how it ended

    def receive(self) -> Any:
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join()
            status = "out_of_memory" if (code := self.process.exitcode) == -9 else "method_error"
            reason = f"the serving process ended with code {code}: run the cell's line by hand to see why"
            raise CellFailure(status, reason) from error
        if isinstance(answer, CellFailure):
            raise answer
        return answer


def _serve(pipe: Connection, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
    """The life of a timed process: load, say so, then do as asked."""
    try:
        model = _Model(served, task, hardware, seed)
        pipe.send(model.load_time_s)
        while True:
            what, arguments = pipe.recv()
            pipe.send(getattr(model, what)(*arguments))
    except EOFError:
        pass
    except Exception as error:
        pipe.send(failure_of(error))


class _Model:
    """The model in its own process, with real inputs in a seeded order."""

    def __init__(self, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
        torch.set_num_threads(hardware.threads)
        self.cuda = hardware.accelerator == "cuda"
        runtime = registry.method(served.runtime)
        assert isinstance(runtime, Runtime)
        self.pool = self._inputs(task, seed)
        torch.ones(8, 8) @ torch.ones(8, 8)  # what any model brings into memory is not this one's
        memory.reset_peak()
        self.baseline = memory.resident_bytes()
        began = time.perf_counter()
        self.call: Callable[..., Tensor] = runtime.load(served.path, hardware)
        self.load_time_s = time.perf_counter() - began
        self.position = 0
        gc.collect()
        gc.disable()  # a collection in the middle of a call would be counted as the model's

    def _inputs(self, task: Task, seed: int) -> tuple[Tensor, ...]:
        """Real test samples in a seeded order, where the model will want them."""
        pool = task.example_inputs(POOL)
        order = torch.randperm(len(pool[0]), generator=torch.Generator().manual_seed(seed))
        return tuple(x[order].to("cuda" if self.cuda else "cpu") for x in pool)

    def warm_up(self) -> int:
        """At least WARMUP_CALLS calls of every scenario and WARMUP_S seconds; how many calls each scenario had."""
        calls, until = 0, time.perf_counter() + WARMUP_S
        while calls < WARMUP_CALLS or time.perf_counter() < until:
            for batch_size in SCENARIOS.values():
                self._timed(self._next(batch_size))
            calls += 1
        return calls

    def burst(self, batch_size: int) -> np.ndarray:
        """Latencies [ms] of the calls of one turn of BURST_S seconds, at least one call."""
        for _ in range(UNTIMED_CALLS):
            self._timed(self._next(batch_size))
        latencies: list[float] = []
        until = time.perf_counter() + BURST_S
        while not latencies or time.perf_counter() < until:
            latencies.append(self._timed(self._next(batch_size)))
        return np.array(latencies)

    def memory(self) -> tuple[int, int]:
        """Peak [bytes] after running every scenario: absolute, and above the level after imports."""
        for batch_size in SCENARIOS.values():
            for _ in range(MEMORY_CALLS):
                self._timed(self._next(batch_size))
        peak = memory.peak_bytes()
        return peak, peak - self.baseline

    def _next(self, batch_size: int) -> tuple[Tensor, ...]:
        if self.position + batch_size > len(self.pool[0]):
            self.position = 0
        taken = slice(self.position, self.position + batch_size)
        self.position += batch_size
        return tuple(x[taken] for x in self.pool)

    def _timed(self, inputs: tuple[Tensor, ...]) -> float:
        """The latency of one call [ms]; by the GPU's own events on CUDA."""
        if self.cuda:
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            began.record()
            self.call(*inputs)
            ended.record()
            torch.cuda.synchronize()
            return began.elapsed_time(ended)
        start = time.perf_counter_ns()
        self.call(*inputs)
        return (time.perf_counter_ns() - start) / 1e6
