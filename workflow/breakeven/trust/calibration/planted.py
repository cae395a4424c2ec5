"""The checks of a calibration: each plants a known result and measures it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from breakeven import protocol, statistics
from breakeven.components import arithmetic
from breakeven.errors import CellFailure
from breakeven.files import file_sha256
from breakeven.protocol import MODES, Mode
from breakeven.scoring.ties import shared_ranks
from breakeven.stages import modules, outputs
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.served_model import Served
from breakeven.trust.calibration.bench import Bench, apart, burning

SHORT = Mode(pairs=1, seconds=0.0, calls=1)  # one turn
TIES = 0.95  # share of the repetitions in which a model has to tie with itself
RETURN_MS = 0.01  # uncertainty of the truth: returning from a sleep with cold caches may take as long
SLEEP_MS, HOARD_MB, CLOSE = 5.0, 200.0, 0.05
LAYERS, WIDTH, HIDDEN, TOKENS = 3, 64, 128, 32


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check: a line of the table."""

    planted: str
    measured: str
    interval: str
    passed: bool


def checks(repetitions: int) -> dict[str, Callable[[Bench], Outcome]]:
    """All checks, each by the name of the planted property."""
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


def no_op(bench: Bench, repetitions: int) -> Outcome:
    """Check that a model timed beside itself ties with itself, by the ranks of the boards."""
    timings = [bench.undisturbed("eager", seed) for seed in range(repetitions)]
    ratios = [statistics.ratio_interval([w.speedup for w in t.windows["single_stream"]]) for t in timings]
    ties = sum(_tie(*ratio[:3]) for ratio in ratios)
    covering = sum((low or 0) <= 1 <= (high or np.inf) for _, low, high, _ in ratios)
    values = [ratio[0] for ratio in ratios]
    needed = max(1, math.floor(TIES * repetitions))
    return Outcome(
        planted=f"ties with the reference in {needed} of {repetitions}",
        measured=f"{ties} of {repetitions} tie; ratios {min(values):.3f} to {max(values):.3f}",
        interval=f"1 inside in {covering} of {repetitions}",
        passed=ties >= needed,
    )


def sleeping(bench: Bench) -> Outcome:
    """Check the difference of the medians of calls that last 15 and 10 ms, pair by pair."""
    windows = bench.undisturbed("paced-ms=15", beside="paced-ms=10").windows["single_stream"]
    more = [float(np.median(w.latencies_ms) - np.median(w.reference_ms)) for w in windows]
    mean, low, high = statistics.mean_interval(more)
    return Outcome(
        planted=f"+{SLEEP_MS:.0f} ms",
        measured=f"+{mean:.3f} ms",
        interval=f"{low:.3f} – {high:.3f}, ± {RETURN_MS} ms",
        passed=low - RETURN_MS <= SLEEP_MS <= high + RETURN_MS,
    )


def hoarding(bench: Bench) -> Outcome:
    """Check the difference of two memory passes."""
    held = [
        lockstep.measure_memory(Served(bench.model, runtime), bench.task, bench.hardware, 0).above_baseline_bytes
        for runtime in ("hoarding", "eager")
    ]
    more = (held[0] - held[1]) / 1e6
    return Outcome(
        planted=f"+{HOARD_MB:.0f} MB",
        measured=f"+{more:.1f} MB",
        interval=f"± {CLOSE:.0%}",
        passed=abs(more - HOARD_MB) <= CLOSE * HOARD_MB,
    )


def twice_the_layers(bench: Bench) -> Outcome:
    """Check the arithmetic of an encoder against its closed form. A counter could miss fused attention."""
    single, double = (apart(_count_encoder, layers) for layers in (LAYERS, 2 * LAYERS))
    products = 4 * WIDTH**2 + 2 * WIDTH * TOKENS + 2 * WIDTH * HIDDEN  # multiply-adds of a token in a layer
    expected = 2 * TOKENS * LAYERS * products
    return Outcome(
        planted=f"{expected:,} FLOP, then 2×",
        measured=f"{single:,}, then {double / single:.3f}×",
        interval="exact",
        passed=single == expected and double == 2 * single,
    )


def another_file(bench: Bench) -> Outcome:
    """Check that another file than the evaluated one is refused."""
    served = Served(bench.other, "eager", sha256=file_sha256(bench.model))
    hashes = [file_sha256(path) for path in (bench.model, bench.other)]
    return _refused(bench, served, hashes)


def another_model(bench: Bench) -> Outcome:
    """Check that a file with the right hash is refused if its outputs are not those of the evaluation."""
    stored = bench.model.with_suffix(".npy")
    hashes = apart(_write_outputs, bench, stored)
    served = Served(bench.other, "eager", sha256=file_sha256(bench.other), outputs=stored)
    return _refused(bench, served, hashes)


def busy_core(bench: Bench) -> Outcome:
    """Check that a second process that keeps a core busy is noticed as foreign load."""
    with burning():
        percent = bench.measure("eager", Mode(pairs=1, seconds=0.5, calls=11)).foreign_load_percent["single_stream"]
    return Outcome(
        planted="contended",
        measured=f"foreign load {percent:.1f} %",
        interval=f"flagged above {protocol.CONTENDED_PERCENT:.0f} %",
        passed=protocol.is_contended(percent),
    )


def too_few_calls(bench: Bench) -> Outcome:
    """Check that one turn of a slow model has enough calls for a median, and too few for higher percentiles."""
    latencies = bench.measure("paced-ms=5", SHORT).windows["single_stream"][0].latencies_ms
    known = {p: statistics.percentile_estimate(latencies, p) is not None for p in (0.5, 0.9, 0.99)}
    needed = {p: statistics.calls_needed(p) for p in known}
    return Outcome(
        planted="percentiles are null",
        measured=f"{len(latencies)} calls: "
        + ", ".join(f"p{100 * p:.0f} {'known' if there else 'null'}" for p, there in known.items()),
        interval=", ".join(f"p{100 * p:.0f} from {calls}" for p, calls in needed.items()) + " calls",
        passed=known == {p: len(latencies) >= calls for p, calls in needed.items()} and not known[0.99],
    )


def _tie(speedup: float, low: float | None, high: float | None) -> bool:
    """Tell whether a model shares the rank of its reference."""
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
    return shared_ranks(rows, ["key"], ("low", "high"), "fp32").nunique() == 1


def _refused(bench: Bench, served: Served, hashes: list[str]) -> Outcome:
    """Check that timing a file fails as `method_error`, with both hashes in the reason."""
    status, reason = "served", ""
    try:
        lockstep.measure_memory(served, bench.task, bench.hardware, 0)
    except CellFailure as failure:
        status, reason = failure.status, failure.reason
    named = sum(each in reason for each in hashes)
    return Outcome(
        planted="refused, with both hashes",
        measured=f"{status}, {named} hashes",
        interval="exact",
        passed=status == "method_error" and named == len(hashes) == len(set(hashes)),
    )


def _write_outputs(bench: Bench, path: Path) -> list[str]:
    """Store the outputs of the model. Returns the hashes of its outputs and of the other model's."""
    both = [
        outputs.outputs_of(modules.load_module(file), bench.task, bench.hardware) for file in (bench.model, bench.other)
    ]
    outputs.write(both[0], path)
    return [outputs.sha256(each) for each in both]


def _count_encoder(layers: int) -> int:
    import torch
    from torch import nn

    layer = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=HIDDEN, batch_first=True)
    encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    return arithmetic.count_flops(encoder, (torch.zeros(1, TOKENS, WIDTH),))[0]
