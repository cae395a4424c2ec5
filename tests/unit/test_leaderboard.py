"""Ratios, the gate, ranks with ties and the Pareto front, on tables small enough to rank by eye."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from breakeven import leaderboard, terminal
from breakeven.errors import UserError
from breakeven.record import InferenceRow, Status, TrainingRow, write_parquet

COMMON: dict[str, Any] = {
    "task": "digits",
    "task_version": 1,
    "dataset_sha256": "d",
    "hardware_fingerprint": "h",
    "hardware": "cpu_1",
    "training": "single_device@cpu_1",
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
    """A row of chain `chain`; its interval is 5 % to each side."""
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
        "latency_p50_ms": latency,
        "latency_mean_ms": latency,
        "speedup": speedup,
        "speedup_ci_low": speedup and speedup * 0.95,
        "speedup_ci_high": speedup and speedup * 1.05,
        "disk_bytes": 1000,
        "compress_time_s": 10.0,
        "export_time_s": 0.0,
    }
    return InferenceRow(**{**COMMON, **values, **changes})


def training(method: str, seconds: float, world_size: int = 1, **changes: Any) -> TrainingRow:
    """A row of the training board."""
    values = {"method_params": "{}", "timed_alone": True, "quality": 0.9, "training_method": method}
    values |= {"cell_id": f"{method}{world_size}", "train_time_s": seconds, "world_size": world_size}
    return TrainingRow(**{**COMMON, **values, **changes})


def board(folder: Path, *rows: InferenceRow) -> pd.DataFrame:
    """The rows and their reference as they come back from disk, by chain."""
    write_parquet([cell("fp32", 10.0, 1.0), *rows], InferenceRow, folder / "inference.parquet")
    return leaderboard.load(folder)[0].set_index("chain", drop=False).rename_axis(None)


def trainings(folder: Path, *rows: TrainingRow) -> pd.DataFrame:
    write_parquet(rows, TrainingRow, folder / "training.parquet")
    return leaderboard.load(folder)[1]


def ranks(rows: pd.DataFrame, **choice: Any) -> dict[str, int | None]:
    ranked = leaderboard.rank(rows, **choice)
    return {chain: None if pd.isna(rank) else int(rank) for chain, rank in ranked["rank"].items()}


def test_ratios_are_the_references_cost_over_the_rows(tmp_path: Path) -> None:
    row = board(tmp_path, cell("small", 7.0, 2.0, disk_bytes=250, quality=0.45)).loc["small"]
    assert row["size_ratio"] == pytest.approx(4.0)
    assert row["quality_ratio"] == pytest.approx(0.5)
    # Half of the reference's 10 ms, at US$ 0.001 a second: by the paired speed-up, not by 7 ms of another hour.
    assert row["usd_per_million"] == pytest.approx(5.0)


def test_what_is_timed_is_ranked_by_the_paired_speed_up(tmp_path: Path) -> None:
    drifted = cell("faster", 9.0, 3.0), cell("slower", 4.0, 2.0)  # the machine was slow while 'faster' was timed
    assert ranks(board(tmp_path, *drifted), by="latency") == {"faster": 1, "slower": 2, "fp32": 3}


def test_the_reference_is_looked_up_in_the_same_scenario(tmp_path: Path) -> None:
    offline = {"scenario": "offline", "batch_size": 32, "throughput_samples_per_s": 10.0}
    reference = cell("fp32", 10.0, 1.0, **offline, disk_bytes=3000)
    rows = board(tmp_path, cell("small", 1.0, 2.0, **offline, disk_bytes=500), reference)
    assert rows.loc["small", "size_ratio"] == pytest.approx(6.0)


def test_a_missing_reference_leaves_a_row_unranked(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("orphan", 1.0, 9.0, reference_cell_id="elsewhere"))
    assert math.isnan(rows.loc["orphan", "quality_ratio"])
    assert ranks(rows) == {"fp32": 1, "orphan": None}


def test_error_metrics_are_inverted_before_the_gate() -> None:
    reference, higher_is_better = pd.Series([0.10, 0.10]), pd.Series([False, False])
    kept = leaderboard.quality_ratio(pd.Series([0.10, 0.20]), reference, higher_is_better)
    assert list(kept) == pytest.approx([1.0, 0.5])


def test_the_gate_lets_exactly_99_percent_through(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("at", 5.0, 2.0, quality=0.9 * 0.99), cell("below", 2.0, 5.0, quality=0.9 * 0.9899))
    ranked = leaderboard.rank(rows)
    assert dict(ranked["board"]) == {"at": "closed", "fp32": "closed", "below": "open"}
    assert dict(ranked["badge"]) == {"at": False, "fp32": True, "below": False}
    assert ranks(rows) == {"at": 1, "fp32": 2, "below": None}
    assert ranks(rows, gate=0.9) == {"below": 1, "at": 2, "fp32": 3}


def test_overlapping_intervals_share_a_rank_with_the_leader(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("a", 5.0, 2.0), cell("b", 5.3, 1.9), cell("c", 7.0, 1.4))
    assert ranks(rows) == {"a": 1, "b": 1, "c": 3, "fp32": 4}


def test_costs_without_noise_tie_below_two_percent(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("a", 5.0, 2.0, disk_bytes=990), cell("b", 5.0, 2.0, disk_bytes=900))
    assert ranks(rows, by="disk") == {"b": 1, "a": 2, "fp32": 2}


def test_throughput_ranks_the_highest_first(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("fast", 5.0, 2.0, throughput_samples_per_s=200.0))
    rows.loc["fp32", "throughput_samples_per_s"] = 100.0
    assert ranks(rows, by="throughput") == {"fast": 1, "fp32": 2}


def test_unknown_intervals_separate_nothing() -> None:
    low, high = np.array([0.9, np.nan]), np.array([1.1, np.nan])
    assert list(leaderboard.shared_ranks(np.array([2.0, 1.0]), low, high)) == [1, 1]


def test_contended_rows_and_gaps_are_shown_without_a_rank(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("busy", 1.0, 9.0, contended=True), cell("broken", None, None, **FAILED))
    assert ranks(rows) == {"fp32": 1, "busy": None, "broken": None}
    assert leaderboard.rank(rows).loc["broken", "board"] == "gap"


def test_nothing_is_ranked_across_machines(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("elsewhere", 1.0, 9.0, hardware_fingerprint="another"))
    assert ranks(rows) == {"elsewhere": 1, "fp32": 1}


def test_break_even_comes_from_the_paired_speedup(tmp_path: Path) -> None:
    # 10 s of work; the original takes 10 ms and 'half' a half of it, whatever its own window says.
    rows = board(tmp_path, cell("half", 8.0, 2.0), cell("slower", 9.0, 0.9))
    assert rows.loc["half", "break_even"] == pytest.approx(10.0 / 0.005)
    assert rows.loc["half", "break_even_low"] < 2000 < rows.loc["half", "break_even_high"]
    assert rows.loc["slower", "break_even"] == math.inf
    assert math.isnan(rows.loc["fp32", "break_even"])


def test_scaling_efficiency_and_ranks_of_trainings(tmp_path: Path) -> None:
    rows = trainings(
        tmp_path,
        training("single_device", 80.0),
        training("ddp", 50.0, 2),
        training("single_device", 60.0, threads=2, cell_id="two threads"),
        training("ddp", 10.0, 4, quality=0.88),
        training("ddp", 10.0, 8, timed_alone=False),
    )
    ranked = leaderboard.rank_trainings(rows).set_index(["training_method", "world_size", "threads"])
    assert ranked.loc[("ddp", 2, 1), "scaling_efficiency"] == pytest.approx(0.8)
    assert ranked.loc[("single_device", 1, 2), "scaling_efficiency"] == pytest.approx(1.0)
    expected = {("ddp", 2, 1): 1, ("single_device", 1, 2): 2, ("single_device", 1, 1): 3}
    assert dict(ranked["rank"].dropna()) == expected
    assert ranked.loc[("ddp", 4, 1), "board"] == "open"


def test_a_contended_training_is_neither_ranked_nor_a_time_to_compare_with(tmp_path: Path) -> None:
    rows = trainings(tmp_path, training("single_device", 80.0, contended=True), training("ddp", 50.0, 2))
    ranked = leaderboard.rank_trainings(rows).set_index("training_method")
    assert dict(ranked["rank"].dropna()) == {"ddp": 1}
    assert math.isnan(ranked.loc["ddp", "scaling_efficiency"])


def test_ambiguous_single_device_runs_are_no_reference(tmp_path: Path) -> None:
    rows = trainings(
        tmp_path, training("single_device", 80.0), training("single_device", 70.0), training("ddp", 50.0, 2)
    )
    assert rows["scaling_efficiency"].isna().all()


def test_pareto_front_keeps_what_nothing_beats() -> None:
    quality = pd.Series([0.9, 0.8, 0.7, 0.9, 0.95, math.nan], index=list("abcdef"))
    burden = pd.Series([2.0, 1.0, 1.5, 2.0, math.nan, 0.1], index=list("abcdef"))
    assert list(quality.index[leaderboard.pareto_front(quality, burden)]) == ["a", "b", "d"]


def test_no_results_and_foreign_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results yet"):
        leaderboard.load(tmp_path)
    (tmp_path / "inference.parquet").write_text("not parquet")
    with pytest.raises(UserError, match="not a Parquet file"):
        leaderboard.load(tmp_path)


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_terminal_shows_every_row_whole_at_any_width(tmp_path: Path, width: int) -> None:
    board(tmp_path, cell("channel_pruning-ratio=0.5", 5.0, 2.0), cell("broken", None, None, **FAILED))
    trainings(tmp_path, training("single_device", 80.0))
    output = io.StringIO()
    terminal.render(tmp_path, Console(file=output, width=width))
    for expected in ("channel_pruning-ratio=0.5", "2.00×", "out_of_memory: [too] large", "make dashboard"):
        assert expected in output.getvalue()
    assert max(map(len, output.getvalue().splitlines())) <= width
