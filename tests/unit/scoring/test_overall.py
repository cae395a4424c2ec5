"""The overall boards on tables that are small enough to score by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import FAILED, cell

from breakeven import protocol
from breakeven.rows import InferenceRow, write_parquet
from breakeven.scoring import leaderboard, overall

BELOW: dict[str, Any] = {"quality": 0.8, "speedup": 4.0}  # the quality gate
Workloads = dict[str, dict[str, float | dict[str, Any] | None]]


def load(folder: Path, workloads: Workloads) -> pd.DataFrame:
    """Return rows by task and method, with their speed-ups or other fields. Each task has its reference, fp32."""
    rows = []
    for task, methods in workloads.items():
        for chain, what in {"fp32": 1.0, **methods}.items():
            changes = dict(what) if isinstance(what, dict) else {"speedup": what}
            names = {"task": task, "cell_id": f"{chain}/{task}", "reference_cell_id": f"fp32/{task}"}
            rows.append(cell(chain, 10.0, changes.pop("speedup", None), **names | changes))
    write_parquet(rows, InferenceRow, folder / "inference.parquet")
    return leaderboard.load(folder)[0]


def test_the_score_is_the_mean_of_the_performance_profile(tmp_path: Path) -> None:
    rows = load(tmp_path, {"a": {"x": 2.0, "y": 4.0}, "b": {"x": 2.0, "y": BELOW}})
    assert overall.performance_ratios(rows).loc["x"].tolist() == [2.0, 1.0]
    found = overall.overall(rows).set_index("chain")
    # Ratios to the cheapest: x 2 and 1; y 1 and none; fp32 4 and 2. Each counts (4 - ratio) / 3.
    assert found["score"].to_dict() == pytest.approx({"x": (2 / 3 + 1) / 2, "y": 1 / 2, "fp32": (0 + 2 / 3) / 2})
    assert list(found.index) == ["x", "y", "fp32"]
    assert found["covered"].to_dict() == {"x": 2, "y": 1, "fp32": 2}
    assert set(found["workloads"]) == {2}


def test_speed_ups_are_averaged_over_what_all_methods_have(tmp_path: Path) -> None:
    rows = load(
        tmp_path, {"a": {"x": 2.0, "y": 4.0}, "b": {"x": 8.0, "y": 1.0}, "c": {"x": 100.0, "y": BELOW}, "d": {"x": 9.0}}
    )
    found = overall.overall(rows).set_index("chain")
    assert found["gain"].to_dict() == pytest.approx({"x": 4.0, "y": 2.0, "fp32": 1.0})  # geometric mean of 2 and 8
    assert set(found["common"]) == {2}


@pytest.mark.parametrize(
    "lost",
    [FAILED, BELOW, {"speedup": 4.0, "contended": True}, {"speedup": 4.0, "reference_cell_id": "elsewhere"}, None],
    ids=["failed", "below the gate", "contended", "no reference", "missing"],
)
def test_what_has_no_rank_is_infinitely_far(tmp_path: Path, lost: dict[str, Any] | None) -> None:
    rows = load(tmp_path, {"a": {"x": 4.0}, "b": {"y": 2.0} | ({} if lost is None else {"x": lost})})
    found = overall.overall(rows).set_index("chain")
    assert found.loc["x", "score"] == pytest.approx(1 / 2)
    assert (found.loc["x", "covered"], found.loc["x", "workloads"]) == (1, 2)
    assert overall.performance_ratios(rows).loc["y"].isna().sum() == 1
    assert overall.performance_ratios(rows).loc["fp32"].tolist() == [
        4.0,
        2.0,
    ]  # a row below the gate is not the cheapest


def test_without_a_common_workload_there_is_no_mean_speed_up(tmp_path: Path) -> None:
    found = overall.overall(load(tmp_path, {"a": {"x": 4.0}, "b": {"y": 2.0}}))
    assert found["gain"].isna().all()
    assert set(found["common"]) == {0}


def test_a_method_that_never_succeeds_scores_nothing_and_takes_nothing_from_others(tmp_path: Path) -> None:
    rows = load(tmp_path, {"a": {"x": 4.0, "broken": FAILED}, "b": {"x": 2.0, "broken": FAILED}})
    found = overall.overall(rows).set_index("chain")
    assert found.loc["broken", ["score", "covered", "common"]].tolist() == [0, 0, 2]
    assert np.isnan(found.loc["broken", "gain"])
    assert found.loc["x", "gain"] == pytest.approx(8**0.5)


def test_a_ratio_beyond_the_last_step_is_covered_and_scores_nothing(tmp_path: Path) -> None:
    found = overall.overall(load(tmp_path, {"a": {"x": 9.0}, "b": {"x": 9.0}})).set_index("chain")
    assert found.loc["fp32", ["score", "covered"]].tolist() == [0, 2]


def test_where_everything_failed_there_are_scores_of_zero(tmp_path: Path) -> None:
    rows = load(tmp_path, {task: {"fp32": FAILED, "x": FAILED} for task in "ab"})
    assert overall.overall(rows)["score"].tolist() == [0, 0]
    assert set(overall.profile(overall.performance_ratios(rows))["rho"]) == {0}


def test_another_cost_takes_its_own_ratios(tmp_path: Path) -> None:
    small = {"speedup": 1.0, "disk_bytes": 250}
    found = overall.overall(load(tmp_path, {"a": {"x": small}, "b": {"x": small}}), "disk").set_index("chain")
    assert found["gain"].to_dict() == pytest.approx({"x": 4.0, "fp32": 1.0})


def test_an_estimated_energy_counts_as_missing_beside_a_measured_reference(tmp_path: Path) -> None:
    energy = {"energy_gain": 2.0, "energy_gain_ci_low": 1.9, "energy_gain_ci_high": 2.1, "speedup": 2.0}
    measured, estimated = {**energy, "energy_method": "rapl"}, {**energy, "energy_method": "tdp_estimate"}
    reference = {**measured, "energy_gain": 1.0}
    methods = {"fp32": reference, "x": measured, "y": estimated}
    found = overall.overall(load(tmp_path, {"a": methods, "b": methods}), "energy").set_index("chain")
    assert found["covered"].to_dict() == {"x": 2, "fp32": 2, "y": 0}


def test_one_board_for_each_machine_and_scenario_with_several_workloads(tmp_path: Path) -> None:
    there = {"hardware_fingerprint": "another", "speedup": 1.0}
    rows = load(tmp_path, {"a": {"x": 2.0}, "b": {"x": 2.0}, "c": {"fp32": there, "x": there}})
    rows = pd.concat([rows, rows[rows["task"] == "a"].assign(scenario="offline", batch_size=32)])
    [(key, group)] = list(overall.boards(rows))
    assert (key["hardware_fingerprint"], key["scenario"]) == ("h", "single_stream")
    assert set(group["task"]) == {"a", "b"}


def test_seeds_of_a_task_are_workloads_of_their_own(tmp_path: Path) -> None:
    rows = load(tmp_path, {"a": {"x": 2.0}})
    both = pd.concat([rows, rows.assign(seed=1)], ignore_index=True)
    [(_, group)] = list(overall.boards(both))
    assert overall.overall(group)["workloads"].tolist() == [2, 2]


def test_the_profile_steps_up_where_a_ratio_lies() -> None:
    steps = overall.profile(pd.DataFrame({0: [1.0, 3.0], 1: [2.0, np.nan]}, index=["x", "y"]))
    x, y = (steps[steps["chain"] == chain] for chain in "xy")
    assert list(zip(x["tau"], x["rho"], strict=True)) == [(1.0, 0.5), (2.0, 1.0), (4.0, 1.0)]
    assert list(zip(y["tau"], y["rho"], strict=True)) == [(1.0, 0.0), (3.0, 0.5), (4.0, 0.5)]


RATIOS = st.just(np.nan) | st.floats(1, 8) | st.sampled_from([1.0, 4.0])


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(RATIOS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_the_score_is_the_area_below_the_steps(ratios: list[list[float]]) -> None:
    found = pd.DataFrame(ratios)
    steps, score = overall.profile(found), overall.scores(found)
    assert score.between(0, 1).all()
    for method, rows in steps.groupby("chain"):
        area = np.sum(np.diff(rows["tau"]) * rows["rho"].iloc[:-1])
        assert area / (protocol.R_MAX - 1) == pytest.approx(score[method])
