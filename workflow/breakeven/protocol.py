"""The protocol's constants: versions, thresholds and durations, each defined here and nowhere else.

docs/protocol.md explains each rule. A change that makes old and new figures incomparable raises PROTOCOL_VERSION.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

SCHEMA_VERSION = 6  # of the rows' columns
PROTOCOL_VERSION = 4  # of the measurement: a change measures everything again
VERSIONS = f"schema {SCHEMA_VERSION}, protocol {PROTOCOL_VERSION}"  # results of other versions are made again

# The reference of a board: the other rows are compared with it.
REFERENCE = "fp32"  # the chain without steps: the trained model itself
REFERENCE_RUNTIME = "eager"  # serves the reference, and every chain that names no runtime
SINGLE_DEVICE = "single_device"  # the training method that the others are compared with

# Section 1, timing.
SCENARIOS = {"single_stream": 1, "offline": 32}  # batch sizes
BURST_S, BURST_CALLS = 0.1, 2  # one turn of one process takes at least this long, and at least so many calls
UNTIMED_CALLS = 2  # at the start of each turn: the other process has filled the caches
WARMUP_CALLS, WARMUP_S = 10, 0.5  # at least, per process and batch size
POOL = 256  # test samples from which each process draws its inputs
CONFIDENCE = 0.99  # of the early-stopping bound, as in MLPerf Inference
CONTENDED_PERCENT = 5.0  # of all cores: a row timed beside more foreign load is shown and not ranked
CONTENDED_CORES = 0.5  # the same limit on a machine of many cores, where one busy process is a small share
UNSTABLE_CV = 0.05  # coefficient of variation of the paired ratio between processes


@dataclass(frozen=True)
class Mode:
    """How long a cell is timed."""

    pairs: int  # fresh pairs of processes
    seconds: float  # at least, per process and scenario
    calls: int  # at least, per process, of single samples: people wait for these, so percentiles matter
    batch_calls: int = 11  # at least, of batches: throughput matters, and a median needs no more calls than these


# Repetitions differ mostly by the process, not by the call. For the same time, five pairs of 0.8 s give half the
# interval of three pairs of 1.5 s: Student's t over the root of n is 1.24 against 2.48.
MODES = {
    "brief": Mode(pairs=3, seconds=0.4, calls=64),  # for a first look: intervals are wide
    "quick": Mode(pairs=5, seconds=0.8, calls=64),
    "full": Mode(pairs=7, seconds=10.0, calls=662),
}

# Section 2, memory, size and energy.
MEMORY_CALLS = 3  # per scenario, in the pass that looks at memory
PACKING = 9  # level of zstd: 100 MB take some seconds
RAPL, NVML, ESTIMATE, NONE = "rapl", "nvml", "tdp_estimate", "none"  # the values of `energy_method`

# Section 3, quality.
RESAMPLES = 1000  # of the test set, for the 95 % interval
SLOW_RESAMPLES = 100  # where a metric needs more than sums over samples: one mean average precision takes seconds
OUTPUT_SAMPLES = 8  # test samples whose outputs are stored by the evaluation and checked by the timed process
OUTPUT_TOLERANCE = 0.01  # of the largest output: other numbers of threads add in another order, and INT8 rounds

# Section 4, training.
VALIDATIONS = 4  # per training: time_to_target_s is no finer than this

# Section 7, ranking.
GATE = 0.99  # share of the reference's quality that puts a row on the closed board
BADGE = 0.999  # share of the reference's quality that earns the badge
SAME = 0.02  # costs that differ by less are a tie
R_MAX = 4.0  # upper end of the integral of the performance profile
ROUNDING = 1e-9  # of floating-point numbers that lie exactly on a border


def is_contended(foreign_load_percent: float, cores: float | None = None) -> bool:
    """Say whether foreign load makes a timing useless for ranking. Columns of rows give a column.

    Args:
        foreign_load_percent: share of all cores of the machine that other processes used [%].
        cores: of the machine; None stands for this one.
    """
    used = foreign_load_percent / 100 * ((os.cpu_count() or 1) if cores is None else cores)
    return (foreign_load_percent > CONTENDED_PERCENT) | (used > CONTENDED_CORES)
