"""Rows of two machines that keep every rule. A test changes the fields that it checks."""

import hashlib
from pathlib import Path
from typing import Any

from breakeven.rows import BOARD_FILES, InferenceRow, Row, TrainingRow, write_parquet


def digest(name: str) -> str:
    """Make an id as the engine does."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def common(machine: str) -> dict[str, Any]:
    return {
        "cpu_model": f"CPU of {machine}", "cores": 8, "threads_allowed": 8, "ram_bytes": 2**34, "executor": "local",
        "started_at": "2026-11-25T08:00:00.000+00:00", "finished_at": "2026-11-25T08:01:00.000+00:00",
        "lock_sha256": sha256("lock"), "git_commit": "0" * 40, "libraries": "{}",
        "task": "digits-width=8", "task_version": 1, "dataset_sha256": sha256("data"), "hardware": "cpu_1",
        "trained_as": "single_device@cpu_1", "accelerator": "cpu", "threads": 1, "seed": 0,
        "hardware_fingerprint": digest(f"{machine} cpu_1"), "metric": "top1_accuracy", "metric_unit": "ratio",
        "higher_is_better": True, "quality": 0.9, "quality_ci_low": 0.88, "quality_ci_high": 0.92, "n_eval": 500,
        "parameters": 1000, "peak_memory_bytes": 10**8, "memory_above_baseline_bytes": 10**7,
        "foreign_load_percent": 0.5, "contended": False, "energy_method": "tdp_estimate", "watts": 4.0,
        "usd_per_hour": 0.04, "price_source": "a list", "price_date": "2026-11-23",
    }  # fmt: skip


def inference(chain: str = "int8_static", machine: str = "a", **changes: Any) -> InferenceRow:
    """Make a row of 1000 calls of 2 ms each in five processes, twice as fast as the reference."""
    speedup = 1.0 if chain == "fp32" else 2.0
    own = {
        "cell_id": digest(chain), "reference_cell_id": digest("fp32"), "chain": chain, "method": chain,
        "method_params": "[]", "runtime": "eager", "scenario": "single_stream", "batch_size": 1, "mode": "quick",
        "artifact_sha256": sha256(chain), "outputs_sha256": sha256("outputs"), "reference_quality": 0.91,
        "quality_kept_ci_low": 0.98, "quality_kept_ci_high": 1.0, "nonzero_parameters": 900, "flops": 100,
        "nonzero_flops": 90, "disk_bytes": 4000, "packed_bytes": 3000, "train_time_s": 9.0,
        "compress_time_s": 1.0, "export_time_s": 0.0, "load_time_s": 0.1, "warmup_calls": 10,
        "timed_calls": 1000, "timed_s": 2.0, "processes": 5,
        "latency_mean_ms": 2.0, "latency_p50_ms": 1.9, "latency_p90_ms": 2.5, "latency_cv": 0.1,
        "reference_latency_p50_ms": 3.9, "speedup": speedup, "speedup_ci_low": speedup * 0.95,
        "speedup_ci_high": speedup * 1.05, "speedup_cv": 0.02, "unstable": False, "throughput_samples_per_s": 500.0,
        "energy_j_per_sample": 0.008, "reference_energy_j_per_sample": 0.016, "energy_gain": 2.0,
        "energy_gain_ci_low": 1.9, "energy_gain_ci_high": 2.1,
    }  # fmt: skip
    return InferenceRow(**{**common(machine), **own, **changes})


def training(machine: str = "a", method: str = "single_device", hardware: str = "cpu_1", **changes: Any) -> TrainingRow:
    """Make a row of a 10 s training that reached its target after 5 s."""
    placed = f"{method}@{hardware}"
    own = {
        "cell_id": digest(placed), "trained_as": placed, "training_method": method, "hardware": hardware,
        "hardware_fingerprint": digest(f"{machine} {hardware}"), "method_params": "{}", "timed_alone": True,
        "epochs": 2, "global_batch_size": 64, "steps": 100, "world_size": 1, "train_time_s": 10.0,
        "time_to_target_s": 5.0, "quality_target": 0.85, "samples_per_s": 640.0, "train_energy_j": 40.0,
        "rank_memory_above_baseline_bytes": 20_000_000, "resumed_parts": 1,
    }  # fmt: skip
    return TrainingRow(**{**common(machine), **own, **changes})


FAILED: dict[str, Any] = {
    "status": "timeout", "reason": "took too long", "quality": None, "quality_ci_low": None, "quality_ci_high": None,
    "foreign_load_percent": None, "contended": None, "energy_method": None,
}  # fmt: skip
OF_TIMING = (
    *("latency", "reference_latency", "speedup", "throughput", "timed", "processes"),
    *("energy", "reference_energy"),
)
NOT_TIMED: dict[str, Any] = {name: None for name in InferenceRow.__dataclass_fields__ if name.startswith(OF_TIMING)}


def write(folder: Path, *rows: Row) -> Path:
    """Write a results folder with the boards of these rows."""
    for row_type, name in BOARD_FILES.items():
        if own := [row for row in rows if isinstance(row, row_type)]:
            write_parquet(own, row_type, folder / name)
    return folder
