"""Constants of the protocol: versions, thresholds and durations, each defined only here.

docs/protocol.md explains each rule. A change that makes old and new figures incomparable raises PROTOCOL_VERSION.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

SCHEMA_VERSION = 7  # version of the rows' columns
PROTOCOL_VERSION = 4  # version of the measurement: after a change, every cell is measured again
VERSIONS = f"schema {SCHEMA_VERSION}, protocol {PROTOCOL_VERSION}"  # results of other versions are made again

# The reference of a board. All other rows are compared with it.
REFERENCE = "fp32"  # the chain without steps: the trained model itself
REFERENCE_RUNTIME = "eager"  # serves the reference, and every chain that names no runtime
SINGLE_DEVICE = "single_device"  # the training method that all others are compared with

# Section 1, timing.
SCENARIOS = {"single_stream": 1, "offline": 32}  # batch sizes
BURST_S, BURST_CALLS = 0.1, 2  # minimum time and minimum calls of one turn of one process
UNTIMED_CALLS = 2  # calls at the start of each turn, because the other process has filled the caches
WARMUP_CALLS, WARMUP_S = 10, 0.5  # minimum warm-up per process and batch size
POOL = 256  # test samples from which each process draws its inputs
CONFIDENCE = 0.99  # confidence of the early-stopping bound, as in MLPerf Inference
CONTENDED_PERCENT = 5.0  # percent of all cores: a row timed beside more foreign load is shown and not ranked
CONTENDED_CORES = 0.5  # the same limit in cores, for machines on which one busy process is a small share
UNSTABLE_CV = 0.05  # coefficient of variation of the speed-up between processes, above which a row is unstable


@dataclass(frozen=True)
class Mode:
    """The duration of a cell's timing."""

    pairs: int  # fresh pairs of processes
    seconds: float  # minimum per process and scenario
    calls: int  # minimum of single samples per process: people wait for these answers, so percentiles matter
    batch_calls: int = 11  # minimum of batches per process: throughput matters, and a median needs only 11 calls


# Repetitions differ mostly by the process, not by the call. For the same time, five pairs of 0.8 s give half the
# interval of three pairs of 1.5 s: Student's t over the root of n is 1.24 against 2.48.
MODES = {
    "brief": Mode(pairs=3, seconds=0.4, calls=64),  # for a first look: intervals are wide
    "quick": Mode(pairs=5, seconds=0.8, calls=64),
    "full": Mode(pairs=7, seconds=10.0, calls=662),
}

# Section 2, memory, size and energy.
MEMORY_CALLS = 3  # calls per scenario in the pass that measures memory
PACKING = 9  # level of zstd: 100 MB take some seconds
RAPL, NVML, ESTIMATE, NONE = "rapl", "nvml", "tdp_estimate", "none"  # the values of `energy_method`

# Section 3, quality.
RESAMPLES = 1000  # resampled test sets, for the 95 % interval
SLOW_RESAMPLES = 100  # for metrics that need more than sums over samples: one mean average precision takes seconds
OUTPUT_SAMPLES = 8  # test samples whose outputs the evaluation stores and the timed process checks
OUTPUT_TOLERANCE = 0.01  # share of the largest output: the order of sums depends on the threads, and INT8 rounds

# Section 4, training.
VALIDATIONS = 4  # validations per training, which limit the resolution of time_to_target_s

# Section 7, ranking.
GATE = 0.99  # share of the reference's quality that puts a row on the closed board
BADGE = 0.999  # share of the reference's quality that earns the badge
SAME = 0.02  # costs that differ by less are a tie
R_MAX = 4.0  # upper end of the integral of the performance profile
ROUNDING = 1e-9  # tolerance for floating-point numbers that lie exactly on a border


def is_contended(foreign_load_percent: float, cores: float | None = None) -> bool:
    """Tell if foreign load makes a timing useless for ranking. Columns as arguments give a column.

    Args:
        foreign_load_percent: share of all cores of the machine that other processes used [%].
        cores: cores of the machine; None for this machine.
    """
    used = foreign_load_percent / 100 * ((os.cpu_count() or 1) if cores is None else cores)
    return (foreign_load_percent > CONTENDED_PERCENT) | (used > CONTENDED_CORES)
