"""The process that serves a model file for timing: it loads the model, reports that, then answers requests."""

from __future__ import annotations

import gc
import time
import traceback
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.components import lengths
from breakeven.errors import CellFailure, failure_of
from breakeven.files import file_sha256
from breakeven.hardware import HardwareProfile
from breakeven.machine import memory
from breakeven.machine.processes import die_with_parent
from breakeven.method import Runtime
from breakeven.protocol import (
    BURST_CALLS,
    BURST_S,
    MEMORY_CALLS,
    POOL,
    SCENARIOS,
    UNTIMED_CALLS,
    WARMUP_CALLS,
    WARMUP_S,
)
from breakeven.stages import outputs
from breakeven.task import Task
from breakeven.units import registry


@dataclass(frozen=True)
class Served:
    """A model file, its runtime, and the hash and outputs from its evaluation."""

    path: Path
    runtime: str
    sha256: str | None = None  # hash of the evaluated file
    outputs: Path | None = None  # outputs at the evaluation, see `stages.outputs`


@dataclass(frozen=True)
class Memory:
    """Peak memory of a process that loads and runs a model, including the processes that it starts for that."""

    peak_bytes: int
    above_baseline_bytes: int  # above each process's level after imports
    cuda_allocated_bytes: int | None = None
    cuda_reserved_bytes: int | None = None


def serve(pipe: Connection, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
    """Load the model, send the seconds of loading, then answer requests: a method of `Model` and its arguments."""
    die_with_parent()
    try:
        model = Model(served, task, hardware, seed)
        pipe.send(model.load_time_s)
        while True:
            method, arguments = pipe.recv()
            pipe.send(method(model, *arguments))
    except EOFError:
        pass
    except Exception as error:
        if not isinstance(error, CellFailure):
            traceback.print_exc()
        pipe.send(failure_of(error))


class Model:
    """The model in its own process, with real inputs in a seeded order.

    Raises:
        CellFailure: the file, or its outputs for the stored inputs, differs from the evaluation's.
    """

    def __init__(self, served: Served, task: Task, hardware: HardwareProfile, seed: int) -> None:
        torch.set_num_threads(hardware.threads)
        self.cuda = hardware.accelerator == "cuda"
        self.pool = self._inputs(task, seed, outputs.device_of(hardware))
        runtime = registry.method(served.runtime)
        assert isinstance(runtime, Runtime)
        require_file(served)
        torch.ones(8, 8) @ torch.ones(8, 8)  # memory that any model needs is not counted as this model's
        memory.reset_peak()
        self.baseline = memory.resident_bytes()
        began = time.perf_counter()
        model = runtime.load(served.path, hardware)
        self.load_time_s = time.perf_counter() - began
        if served.outputs is not None:
            outputs.require_same(outputs.outputs_of(model, task, hardware), served.outputs)
        self.task, self.call = task, partial(task.predict, model)
        self.position = 0
        gc.collect()
        gc.disable()  # a collection during a call would count as the model's time

    def _inputs(self, task: Task, seed: int, device: str) -> tuple[Tensor, ...]:
        """Return real test samples in a seeded order, on the model's device."""
        pool = task.example_inputs(POOL)
        if task.lengths is None:
            order = torch.randperm(len(pool[0]), generator=torch.Generator().manual_seed(seed))
        else:
            order = lengths.spread_evenly(lengths.first_length(task, *pool), seed)
        order = order.repeat(-(-max(SCENARIOS.values()) // len(order)))  # a small test set must fill a batch
        return tuple(x[order].to(device) for x in pool)

    def warm_up(self, batch_sizes: list[int]) -> int:
        """Warm up for at least WARMUP_S seconds and WARMUP_CALLS calls per batch size; return the calls per size."""
        calls, until = 0, time.perf_counter() + WARMUP_S
        while calls < WARMUP_CALLS or time.perf_counter() < until:
            for batch_size in batch_sizes:
                self._timed(self._next(batch_size))
            calls += 1
        return calls

    def burst(self, batch_size: int) -> np.ndarray:
        """Return the latencies [ms] of one turn: at least BURST_CALLS calls and at least BURST_S seconds."""
        for _ in range(UNTIMED_CALLS):
            self._timed(self._next(batch_size))
        latencies: list[float] = []
        until = time.perf_counter() + BURST_S
        while len(latencies) < BURST_CALLS or time.perf_counter() < until:
            latencies.append(self._timed(self._next(batch_size)))
        return np.array(latencies)

    def memory(self, batch_sizes: list[int]) -> Memory:
        """Return the peak memory after running every batch size."""
        for batch_size in batch_sizes:
            for _ in range(MEMORY_CALLS):
                self._timed(self._next(batch_size))
        peak, above = memory.peak_bytes(), memory.peak_above_bytes(self.baseline)
        if not self.cuda:
            return Memory(peak, above)
        return Memory(peak, above, torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())

    def _next(self, batch_size: int) -> tuple[Tensor, ...]:
        if self.position + batch_size > len(self.pool[0]):
            self.position = 0
        taken = slice(self.position, self.position + batch_size)
        self.position += batch_size
        return lengths.trimmed(self.task, *(x[taken] for x in self.pool))

    def _timed(self, inputs: tuple[Tensor, ...]) -> float:
        """Return the latency of one call [ms]. On CUDA, the GPU's own events measure it."""
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


def require_file(served: Served) -> None:
    """Raise if the file to be timed differs from the evaluated file.

    Raises:
        CellFailure: `method_error`, with both hashes.
    """
    if served.sha256 is not None and (found := file_sha256(served.path)) != served.sha256:
        reason = f"evaluated was a file of sha256 {served.sha256}, to be timed is {found}: evaluate it again"
        raise CellFailure("method_error", f"{served.path.name}: {reason}")
