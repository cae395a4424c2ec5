"""Computes the figures of a row from the windows in which its cell was timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from breakeven import statistics
from breakeven.files import aside
from breakeven.protocol import UNSTABLE_CV, is_contended
from breakeven.rows import InferenceRow
from breakeven.stages.measure.lockstep import Timing
from breakeven.stages.measure.served_model import Memory


def fill_timing(row: InferenceRow, timing: Timing, scenario: str) -> None:
    """Set the latency, throughput, speed-up and load fields of a row from its scenario's windows."""
    windows = timing.windows[scenario]
    every = np.concatenate([w.latencies_ms for w in windows])
    row.load_time_s = float(np.median(timing.load_time_s))
    row.warmup_calls = timing.warmup_calls
    row.timed_calls, row.timed_s, row.processes = len(every), float(every.sum() / 1e3), len(windows)
    row.latency_mean_ms, row.latency_cv = float(every.mean()), float(every.std() / every.mean())
    for name in ("p50", "p90", "p99"):
        percentile = int(name[1:]) / 100
        setattr(row, f"latency_{name}_ms", _over_processes([w.latencies_ms for w in windows], percentile))
        setattr(
            row,
            f"reference_latency_{name}_ms",
            _over_processes([w.reference_ms for w in windows], percentile),
        )
    row.speedup, row.speedup_ci_low, row.speedup_ci_high, row.speedup_cv = statistics.ratio_interval(
        [w.speedup for w in windows]
    )
    row.throughput_samples_per_s = row.batch_size * row.timed_calls / row.timed_s
    row.foreign_load_percent = timing.foreign_load_percent[scenario]
    row.contended = is_contended(row.foreign_load_percent)
    row.unstable = row.speedup_cv is not None and row.speedup_cv > UNSTABLE_CV


def fill_memory(row: InferenceRow, memory: Memory) -> None:
    """Set the memory fields of a row."""
    row.peak_memory_bytes, row.memory_above_baseline_bytes = memory.peak_bytes, memory.above_baseline_bytes
    row.cuda_allocated_bytes, row.cuda_reserved_bytes = memory.cuda_allocated_bytes, memory.cuda_reserved_bytes


def fill_energy(row: InferenceRow, timing: Timing, scenario: str) -> None:
    """Set the energy fields of a row. They stay null if energy is neither counted nor estimated."""
    row.energy_method = timing.energy_method
    windows = timing.windows[scenario]
    pairs = [(w.energy_j, w.reference_energy_j) for w in windows if w.energy_j and w.reference_energy_j]
    if len(pairs) < len(windows):  # energy unknown, or too small for the counter
        return
    row.energy_j_per_sample, row.reference_energy_j_per_sample = np.mean(pairs, axis=0).tolist()
    row.energy_gain, row.energy_gain_ci_low, row.energy_gain_ci_high, _ = statistics.ratio_interval(
        [reference / cell for cell, reference in pairs]
    )


def write_latencies(timing: Timing, path: Path) -> None:
    """Write every timed call to a Parquet file: scenario, pair of processes, cell or reference, latency [ms]."""
    parts = [
        pa.table(
            {
                "latency_ms": values,
                "scenario": [scenario] * len(values),
                "pair": [w.pair] * len(values),
                "served": [served] * len(values),
            }
        )
        for scenario, windows in timing.windows.items()
        for w in windows
        for served, values in (("cell", w.latencies_ms), ("reference", w.reference_ms))
    ]
    with aside(path) as temporary:
        pq.write_table(pa.concat_tables(parts), temporary, compression="zstd")


def _over_processes(latencies: list[np.ndarray], percentile: float) -> float | None:
    return statistics.median_or_none([statistics.percentile_estimate(each, percentile) for each in latencies])
