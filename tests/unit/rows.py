"""Rows of both boards for tests, made by hand, written and read back."""

from pathlib import Path
from typing import Any

import pandas as pd

from breakeven.errors import Status
from breakeven.rows import InferenceRow, TrainingRow, write_parquet
from breakeven.scoring import leaderboard

COMMON: dict[str, Any] = {
    "task": "digits",
    "task_version": 1,
    "dataset_sha256": "d",
    "hardware_fingerprint": "h",
    "hardware": "cpu_1",
    "trained_as": "single_device@cpu_1",
    "seed": 0,
    "metric": "accuracy",
    "metric_unit": "ratio",
    "higher_is_better": True,
    "threads": 1,
    "accelerator": "cpu",
    "cpu_model": "c",
    "usd_per_hour": 3.6,
}
FAILED: dict[str, Any] = {"status": Status.OUT_OF_MEMORY, "reason": "[too] large", "quality": None}


def cell(chain: str, latency: float | None, speedup: float | None, **changes: Any) -> InferenceRow:
    """Make a row of chain `chain` from five processes. Its intervals are ±5 %, and ±0.1 % for the quality kept."""
    quality = changes.get("quality", 0.9)
    values = {
        "cell_id": chain,
        "reference_cell_id": "fp32",
        "method": chain,
        "method_params": "[]",
        "chain": chain,
        "runtime": "eager",
        "scenario": "single_stream",
        "batch_size": 1,
        "mode": "quick",
        "quality": 0.9,
        "quality_kept_ci_low": quality and quality / 0.9 * 0.999,
        "quality_kept_ci_high": quality and quality / 0.9 * 1.001,
        "processes": 5,
        "latency_p50_ms": latency,
        "latency_mean_ms": latency,
        "speedup": speedup,
        "speedup_ci_low": speedup and speedup * 0.95,
        "speedup_ci_high": speedup and speedup * 1.05,
        "disk_bytes": 1000,
        "packed_bytes": 800,
        "compress_time_s": 10.0,
        "export_time_s": 0.0,
    }
    return InferenceRow(**{**COMMON, **values, **changes})


def training(method: str, seconds: float, world_size: int = 1, **changes: Any) -> TrainingRow:
    """Make a row of the training board."""
    values = {"method_params": "{}", "timed_alone": True, "quality": 0.9, "training_method": method}
    values |= {"cell_id": f"{method}{world_size}", "train_time_s": seconds, "world_size": world_size}
    return TrainingRow(**{**COMMON, **values, **changes})


def board(folder: Path, *rows: InferenceRow, reference: InferenceRow | None = None) -> pd.DataFrame:
    """Write the rows and their reference, read them back, and index them by chain."""
    write_parquet([reference or cell("fp32", 10.0, 1.0), *rows], InferenceRow, folder / "inference.parquet")
    return leaderboard.load(folder)[0].set_index("chain", drop=False).rename_axis(None)


def trainings(folder: Path, *rows: TrainingRow) -> pd.DataFrame:
    write_parquet(rows, TrainingRow, folder / "training.parquet")
    return leaderboard.load(folder)[1]
