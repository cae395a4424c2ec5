"""The planted truths and what the harness makes of each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from breakeven import arithmetic, compression, measurement, outputs, provenance, registry, statistics
from breakeven.errors import CellFailure
from breakeven.hardware import HardwareProfile
from breakeven.measurement import MODES, Mode, Timing
from breakeven.ranking import ranks
from breakeven.serving import Served
from breakeven.sources import file_sha256
from breakeven.task import Task

TASK = "mandarin_initials"  # real data, and a model small enough for the harness itself to show
ONE = {"single_stream": 1}
SHORT = Mode(pairs=1, seconds=0.0, calls=1)  # one turn
TRIES = 3  # at a timing without foreign load
TIES = 0.95  # of the repetitions of a model beside itself
RETURN_MS = 0.01  # what returning from a call may cost after a sleep, with cold caches: the truth is known no better
SLEEP_MS, HOARD_MB, CLOSE = 5.0, 200.0, 0.05
LAYERS, WIDTH, HIDDEN, TOKENS = 3, 64, 128, 32


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    name: str
    planted: str
    measured: str
    interval: str
    passed: bool


@dataclass(frozen=True)
class Bench:
    """What the checks measure on."""

    model: Path
    other: Path  # another model of the same shape
    task: Task
    hardware: HardwareProfile

    def measure(self, runtime: str, mode: Mode, seed: int = 0, beside: str = "eager") -> Timing:
        """Time the model in a planted runtime beside itself in another, batch 1."""
        cell, reference = Served(self.model, runtime), Served(self.model, beside)
        return measurement.measure(cell, reference, self.task, self.hardware, mode, seed, ONE)

    def undisturbed(self, runtime: str, seed: int = 0, beside: str = "eager") -> Timing:
        """The same as cells are timed, again where others used the machine: such rows are not ranked either."""
        for _ in range(TRIES):
            timing = self.measure(runtime, MODES["quick"], seed, beside)
            if not provenance.is_contended(timing.foreign_load_percent["single_stream"]):
                break
        return timing


def checks(repetitions: int) -> dict[str, Callable[[Bench], Finding]]:
    """All checks by what they plant."""
    return {
        "the same model again": partial(no_op, repetitions=repetitions),
        "5 ms of sleep": sleeping,
        "200 MB more": hoarding,
        "twice the layers": twice_the_layers,
        "another file than was evaluated": another_file,
        "another model in the file": another_model,
        "a busy core": busy_core,
        "too few calls": too_few_calls,
    }


def make_models(folder: Path, hardware: HardwareProfile) -> Bench:
    """Two untrained models of the task, whose speed does not depend on their weights; this process computes nothing."""
    task = registry.task(TASK)
    task.prepare()
    bench = Bench(folder / "model.pt", folder / "other.pt", task, hardware)
    _apart(_save_models, bench)
    return bench


def no_op(bench: Bench, repetitions: int) -> Finding:
    """A model beside itself has to tie with itself, by the ranks that the boards use."""
    timings = [bench.undisturbed("eager", seed) for seed in range(repetitions)]
    ratios = [statistics.ratio_interval([w.speedup for w in t.windows["single_stream"]]) for t in timings]
    ties = sum(_tie(*ratio[:3]) for ratio in ratios)
    covering = sum((low or 0) <= 1 <= (high or np.inf) for _, low, high, _ in ratios)
    values = [ratio[0] for ratio in ratios]
    return Finding(
        name="the same model again",
        planted="ties with the reference in 19 of 20",
        measured=f"{ties} of {repetitions} tie; ratios {min(values):.3f} to {max(values):.3f}",
        interval=f"1 inside in {covering} of {repetitions}",
        passed=ties >= np.floor(TIES * repetitions),
    )


def sleeping(bench: Bench) -> Finding:
    """The difference of the two medians, pair by pair, of calls that sleep until they have lasted 15 and 10 ms."""
    windows = bench.undisturbed("paced-ms=15", beside="paced-ms=10").windows["single_stream"]
    more = [float(np.median(w.latencies_ms) - np.median(w.reference_ms)) for w in windows]
    mean, low, high = statistics.mean_interval(more)
    return Finding(
        name="5 ms of sleep",
        planted=f"+{SLEEP_MS:.0f} ms",
        measured=f"+{mean:.3f} ms",
        interval=f"{low:.3f} – {high:.3f}, ± {RETURN_MS} ms",
        passed=low - RETURN_MS <= SLEEP_MS <= high + RETURN_MS,
    )


def hoarding(bench: Bench) -> Finding:
    """The difference of the two memory passes."""
    held = [
        measurement.measure_memory(Served(bench.model, runtime), bench.task, bench.hardware, 0).above_baseline_bytes
        for runtime in ("hoarding", "eager")
    ]
    more = (held[0] - held[1]) / 1e6
    return Finding(
        name="200 MB more",
        planted=f"+{HOARD_MB:.0f} MB",
        measured=f"+{more:.1f} MB",
        interval=f"± {CLOSE:.0%}",
        passed=abs(more - HOARD_MB) <= CLOSE * HOARD_MB,
    )


def twice_the_layers(bench: Bench) -> Finding:
    """An encoder whose arithmetic is known in closed form: fused attention is what a counter would miss."""
    single, double = (_apart(_count_encoder, layers) for layers in (LAYERS, 2 * LAYERS))
    products = 4 * WIDTH**2 + 2 * WIDTH * TOKENS + 2 * WIDTH * HIDDEN  # multiply-adds of a token in a layer
    expected = 2 * TOKENS * LAYERS * products
    return Finding(
        name="twice the layers",
        planted=f"{expected:,} FLOP, then 2×",
        measured=f"{single:,}, then {double / single:.3f}×",
        interval="exact",
        passed=single == expected and double == 2 * single,
    )


def another_file(bench: Bench) -> Finding:
    """Evaluated was one file, to be timed is another."""
    served = Served(bench.other, "eager", sha256=file_sha256(bench.model))
    hashes = [file_sha256(path) for path in (bench.model, bench.other)]
    return _refused("another file than was evaluated", bench, served, hashes)


def another_model(bench: Bench) -> Finding:
    """The file's hash is right, but it gives other outputs than those that the evaluation stored."""
    stored = bench.model.with_suffix(".npy")
    hashes = _apart(_write_outputs, bench, stored)
    served = Served(bench.other, "eager", sha256=file_sha256(bench.other), outputs=stored)
    return _refused("another model in the file", bench, served, hashes)


def busy_core(bench: Bench) -> Finding:
    """A second process that burns a core while the model is timed."""
    with burning():
        percent = bench.measure("eager", Mode(pairs=1, seconds=0.5, calls=11)).foreign_load_percent["single_stream"]
    return Finding(
        name="a busy core",
        planted="contended",
        measured=f"foreign load {percent:.1f} %",
        interval=f"flagged above {provenance.CONTENDED_PERCENT:.0f} %",
        passed=provenance.is_contended(percent),
    )


def too_few_calls(bench: Bench) -> Finding:
    """One turn of a slow model has the calls for a median and not for the percentiles beyond."""
    latencies = bench.measure("paced-ms=5", SHORT).windows["single_stream"][0].latencies_ms
    known = {p: statistics.percentile_estimate(latencies, p) is not None for p in (0.5, 0.9, 0.99)}
    enough = {p: len(latencies) >= statistics.calls_needed(p) for p in known}
    said = ", ".join(f"p{100 * p:.0f} {'known' if there else 'null'}" for p, there in known.items())
    return Finding(
        name="too few calls",
        planted="percentiles are null",
        measured=f"{len(latencies)} calls: {said}",
        interval="p50 from 11 calls, p90 64, p99 662",
        passed=known == enough and not known[0.99],
    )


def _tie(speedup: float, low: float | None, high: float | None) -> bool:
    """Whether a model shares the rank of its reference."""
    rows = pd.DataFrame(
        {
            "key": 0,
            "chain": ["fp32", "no_op"],
            "burden": [1.0, 1 / speedup],
            "low": [1.0, low],
            "high": [1.0, high],
            "processes": MODES["quick"].pairs,
        }
    )
    return ranks(rows, ["key"], ("low", "high"), "fp32").nunique() == 1


def _refused(name: str, bench: Bench, served: Served, hashes: list[str]) -> Finding:
    """Whether timing a file is refused as `method_error` that names both hashes."""
    status, reason = "served", ""
    try:
        measurement.measure_memory(served, bench.task, bench.hardware, 0)
    except CellFailure as failure:
        status, reason = failure.status, failure.reason
    named = sum(found in reason for found in hashes)
    return Finding(
        name=name,
        planted="refused, with both hashes",
        measured=f"{status}, {named} hashes",
        interval="exact",
        passed=status == "method_error" and named == len(hashes) == len(set(hashes)),
    )


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns in a process of its own: the caller's must compute nothing that it forks later."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(function(*arguments)))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


@contextmanager
def burning() -> Iterator[None]:
    """A process that keeps a core busy."""
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
        compression.save_module(bench.task.model(), path)


def _write_outputs(bench: Bench, path: Path) -> list[str]:
    """Store what the model makes of its inputs; the hashes of its outputs and of the other model's."""
    found = [
        outputs.outputs_of(compression.load_module(file), bench.task, bench.hardware)
        for file in (bench.model, bench.other)
    ]
    outputs.write(found[0], path)
    return [outputs.sha256(each) for each in found]


def _count_encoder(layers: int) -> int:
    import torch
    from torch import nn

    layer = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=HIDDEN, batch_first=True)
    encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    return arithmetic.count_flops(encoder, (torch.zeros(1, TOKENS, WIDTH),))[0]
