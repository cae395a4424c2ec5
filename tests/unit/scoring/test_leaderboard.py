"""Ratios, the gate, ranks with ties and the Pareto front, on tables that are small enough to check by eye."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rows import FAILED, board, cell, training, trainings
from scipy import stats

from breakeven.errors import UserError
from breakeven.rows import InferenceRow
from breakeven.scoring import leaderboard, ratios


def ranks(rows: pd.DataFrame, **choice: Any) -> dict[str, int | None]:
    ranked = leaderboard.rank(rows, **choice)
    return {chain: None if pd.isna(rank) else int(rank) for chain, rank in ranked["rank"].items()}


def test_ratios_are_the_references_cost_over_the_rows(tmp_path: Path) -> None:
    row = board(tmp_path, cell("small", 7.0, 2.0, disk_bytes=250, quality=0.45)).loc["small"]
    assert row["size_ratio"] == pytest.approx(4.0)
    assert row["quality_ratio"] == pytest.approx(0.5)
    # Half of the reference's 10 ms, at US$ 0.001 per second. The paired speed-up counts, not the 7 ms of another hour.
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
    kept = ratios.quality_ratio(pd.Series([0.10, 0.20]), reference, higher_is_better)
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


@pytest.mark.parametrize("unknown", [{"speedup_ci_low": None, "speedup_ci_high": None}, {"processes": None}])
def test_unknown_intervals_separate_nothing(tmp_path: Path, unknown: dict[str, None]) -> None:
    assert ranks(board(tmp_path, cell("a", 5.0, 2.0, **unknown), cell("b", 6.7, 1.5))) == {"a": 1, "b": 1, "fp32": 1}
    assert ranks(board(tmp_path, cell("a", 5.0, 2.0), cell("b", 6.7, 1.5, **unknown))) == {"a": 1, "b": 1, "fp32": 3}


def test_rows_that_share_a_rank_say_so(tmp_path: Path) -> None:
    ranked = leaderboard.rank(
        board(tmp_path, cell("a", 5.0, 2.0), cell("b", 5.3, 1.9), cell("bad", 1.0, 9.0, quality=0.1))
    )
    assert dict(ranked["shared"]) == {"a": True, "b": True, "fp32": False, "bad": False}


def test_contended_rows_and_gaps_are_shown_without_a_rank(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("busy", 1.0, 9.0, contended=True), cell("broken", None, None, **FAILED))
    assert ranks(rows) == {"fp32": 1, "busy": None, "broken": None}
    assert leaderboard.rank(rows).loc["broken", "board"] == "gap"


def test_nothing_is_ranked_across_machines(tmp_path: Path) -> None:
    there = {"hardware_fingerprint": "another"}
    rows = board(
        tmp_path, cell("here", 5.0, 2.0), cell("elsewhere", 1.0, 9.0, **there), cell("fp32", 9.0, 1.0, **there)
    )
    ranked = leaderboard.rank(rows).groupby("hardware_fingerprint")["rank"]
    assert {machine: list(found) for machine, found in ranked} == {"h": [1, 2], "another": [1, 2]}


def test_a_reference_on_another_machine_is_no_reference(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("elsewhere", 1.0, 9.0, hardware_fingerprint="another", quality=0.45))
    assert math.isnan(rows.loc["elsewhere", "size_ratio"])
    assert ranks(rows) == {"fp32": 1, "elsewhere": None}
    # The row itself knows the reference quality beside which it was timed.
    known = cell("elsewhere", 1.0, 9.0, hardware_fingerprint="another", quality=0.45, reference_quality=0.9)
    assert board(tmp_path, known).loc["elsewhere", "quality_ratio"] == pytest.approx(0.5)


def test_limits_move_rows_to_the_open_board(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("large", 2.0, 5.0, disk_bytes=5000), cell("small", 5.0, 2.0, disk_bytes=100))
    assert ranks(rows, limits={"disk_bytes": 1000, "latency_p50_ms": None}) == {"small": 1, "fp32": 2, "large": None}
    assert ranks(rows, limits={"peak_memory_bytes": 1000}) == dict.fromkeys(["fp32", "large", "small"])  # unknown


@pytest.mark.parametrize(("low", "high", "uncertain"), [(0.98, 1.0, True), (0.991, 1.0, False), (0.97, 0.98, False)])
def test_the_gate_is_uncertain_where_the_interval_has_it_inside(
    tmp_path: Path, low: float, high: float, uncertain: bool
) -> None:
    rows = board(tmp_path, cell("a", 5.0, 2.0, quality_kept_ci_low=low, quality_kept_ci_high=high))
    assert leaderboard.rank(rows).loc["a", "gate_uncertain"] == uncertain
    assert not leaderboard.rank(rows).loc["fp32", "gate_uncertain"]


def test_an_estimated_energy_is_not_ranked_with_a_measured_one(tmp_path: Path) -> None:
    gain = {"energy_gain_ci_low": 0.99, "energy_gain_ci_high": 1.01, "energy_j_per_sample": 1.0}
    measured = cell("measured", 5.0, 2.0, energy_method="rapl", **{**gain, "energy_gain": 1.0})
    estimated = cell("estimated", 5.0, 2.0, energy_method="tdp_estimate", **{**gain, "energy_gain": 9.0})
    ranked = ranks(board(tmp_path, measured, estimated), by="energy")
    assert ranked == {"measured": 1, "estimated": 1, "fp32": None}


def test_arithmetic_is_set_against_all_of_the_references(tmp_path: Path) -> None:
    rows = board(tmp_path, cell("pruned", 9.0, 1.1, flops=100, nonzero_flops=25))
    rows["flops"] = 100  # for the reference too
    found = ratios.with_ratios(rows)["theoretical_speedup"]
    assert list(found.dropna()) == [4.0]


def served(chain: str, method: str, speedup: float | None, **changes: Any) -> InferenceRow:
    return cell(chain, 5.0, speedup, method=method, runtime="onnxruntime", **changes)


def test_sizes_are_compared_within_the_formats_of_a_runtime(tmp_path: Path) -> None:
    alone, made = served("onnxruntime", "fp32", 4.0, disk_bytes=900), served("int8", "int8", 6.0, disk_bytes=300)
    rows = board(tmp_path, cell("small", 5.0, 2.0, disk_bytes=500), alone, made)
    assert dict(rows["compression_size_ratio"]) == {"fp32": 1, "small": 2, "onnxruntime": 1, "int8": 3}
    assert math.isnan(board(tmp_path, made)["compression_size_ratio"]["int8"])


def test_what_the_compression_adds_is_told_from_what_the_runtime_gives(tmp_path: Path) -> None:
    rows = board(tmp_path, served("onnxruntime", "fp32", 4.0), served("int8", "int8", 6.0), served("slow", "slow", 4.1))
    found = rows[["runtime_speedup", "compression_speedup", *ratios.COMPRESSION_INTERVAL]]
    assert list(found.loc["fp32"]) == [1, 1, 1, 1]
    assert list(found.loc["onnxruntime"]) == [4, 1, 1, 1]
    assert list(found.loc["int8"].iloc[:2]) == [4, 1.5]
    # Both have five processes, and intervals with a half-width of log(1.05 / 0.95) / 2.
    error = math.log(1.05 / 0.95) / 2 / stats.t.ppf(0.975, 4)
    drawn = np.random.default_rng(1).standard_t(4, (2, 200_000)) * error
    half = np.quantile(np.abs(drawn[0] - drawn[1]), 0.95)
    low, high = found.loc["int8"].iloc[2:]
    assert [math.log(1.5 / low), math.log(high / 1.5)] == pytest.approx([half, half], rel=0.03)
    assert low > 1 > found.loc["slow"].iloc[2]  # 4.1 may be above 4 by chance


def test_in_eager_torch_all_of_the_speed_up_is_the_compressions(tmp_path: Path) -> None:
    row = board(tmp_path, cell("pruned", 5.0, 2.0)).loc["pruned"]
    assert row["runtime_speedup"] == 1
    for of in ("", "_ci_low", "_ci_high"):
        assert row[f"compression_speedup{of}"] == row[f"speedup{of}"]


@pytest.mark.parametrize(
    "other",
    [
        {"runtime": "torchscript"},
        {"scenario": "offline"},
        {"trained_as": "ddp@cpu_2x1"},
        {"seed": 1},
        {"hardware_fingerprint": "another"},
        {"contended": True},
        {**FAILED, "speedup": None},
    ],
)
def test_a_runtime_that_was_not_measured_alone_leaves_open_what_the_compression_adds(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    alone = cell("alone", 5.0, **{"speedup": 4.0, "method": "fp32", "runtime": "onnxruntime", **other})
    row = board(tmp_path, alone, served("int8", "int8", 6.0)).loc["int8"]
    assert row[["runtime_speedup", "compression_speedup", *ratios.COMPRESSION_INTERVAL]].isna().all()
    assert row["speedup"] == 6


def test_without_intervals_what_the_compression_adds_has_none(tmp_path: Path) -> None:
    alone = served("onnxruntime", "fp32", 4.0, speedup_ci_low=None, speedup_ci_high=None)
    row = board(tmp_path, alone, served("int8", "int8", 6.0)).loc["int8"]
    assert row["compression_speedup"] == 1.5
    assert row[[*ratios.COMPRESSION_INTERVAL]].isna().all()


def test_sizes_are_compared_packed_and_by_what_is_not_zero(tmp_path: Path) -> None:
    reference = cell("fp32", 10.0, 1.0, nonzero_parameters=100)
    rows = board(tmp_path, cell("pruned", 9.0, 1.1, nonzero_parameters=25, packed_bytes=200), reference=reference)
    assert dict(rows.loc["pruned", ["size_ratio", "packed_ratio", "compression_ratio"]]) == {
        "size_ratio": 1,
        "packed_ratio": 4,
        "compression_ratio": 4,
    }
    assert ranks(rows, by="packed") == {"pruned": 1, "fp32": 2}


def test_verified_are_rows_whose_speed_up_another_machine_found_too(tmp_path: Path) -> None:
    there = {"hardware_fingerprint": "another"}
    again = cell("same", 1.0, 2.05, **there), cell("different", 1.0, 2.5, **there)
    rows = board(tmp_path, cell("same", 5.0, 2.0), cell("different", 5.0, 2.0), cell("once", 5.0, 2.0), *again)
    here = rows[rows["hardware_fingerprint"] == "h"]
    assert dict(here["verified"]) == {"fp32": False, "same": True, "different": False, "once": False}


def test_break_even_comes_from_the_paired_speedup(tmp_path: Path) -> None:
    # 10 s of work. The original takes 10 ms, and 'half' takes half of it, whatever its own window says.
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
