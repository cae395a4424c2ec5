"""The cheapest method for a number of inferences, on numbers computed by hand.

The original takes 10 ms per inference at US$ 0.001 per second: US$ 0.00001 each. Its training took 100 s: US$ 0.10.
`half` takes half of the time, and 10 s to make: US$ 0.01.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rows import FAILED, board, cell

from breakeven.rows import InferenceRow
from breakeven.scoring import cost, ratios
from breakeven.scoring.cheapest import Demand, cheapest, with_totals

TRAINED: dict[str, Any] = {"train_time_s": 100.0}
MADE_AT_ONCE: dict[str, Any] = {**TRAINED, "compress_time_s": 0.0}
FP32 = cell("fp32", 10.0, 1.0, **MADE_AT_ONCE)
HALF = cell("half", 9.0, 2.0, **TRAINED)  # 9 ms, measured in another hour; only the paired speed-up counts


def rows_of(folder: Path, *rows: InferenceRow, **changes: Any) -> pd.DataFrame:
    """Return the board of the original and these rows, all with the same changes."""
    found = board(folder, *rows, reference=FP32).assign(**changes)
    return ratios.with_ratios(found).set_index("chain", drop=False).rename_axis(None)


def eligible(found: pd.DataFrame) -> list[str]:
    return list(found.index[found["eligible"]])


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    return rows_of(tmp_path, HALF)


def test_totals_in_dollars(rows: pd.DataFrame) -> None:
    found = with_totals(rows, Demand(inferences=1e4))
    assert found["total"].to_dict() == pytest.approx({"fp32": 0.10 + 0.10, "half": 0.10 + 0.01 + 0.05})
    half = found.loc["half"]
    assert (half["c_0"], half["c"], half["making"]) == pytest.approx((1e-5, 5e-6, 0.01))
    assert half["saved"] == pytest.approx(0.04)
    assert half["break_even"] == pytest.approx(2000)
    assert math.isnan(found.loc["fp32", "break_even"])
    # at the ends of the interval, 5 % to each side of the speed-up
    assert half["total_low"] == pytest.approx(0.11 + 0.05 / 1.05)
    assert half["total_high"] == pytest.approx(0.11 + 0.05 / 0.95)
    assert half["break_even_low"] < 2000 < half["break_even_high"]


def test_totals_in_hours_of_the_device(rows: pd.DataFrame) -> None:
    found = with_totals(rows, Demand(inferences=1e4, unit="hours"))
    assert found["total"].to_dict() == pytest.approx({"fp32": 200 / 3600, "half": 160 / 3600})


def test_totals_in_joules_that_are_estimated(tmp_path: Path) -> None:
    estimated = {"energy_method": "tdp_estimate", "watts": 4.0, "energy_gain": 9.9}  # estimates follow the time
    found = with_totals(rows_of(tmp_path, HALF, **estimated), Demand(inferences=1e4, unit="joules"))
    assert found["total"].to_dict() == pytest.approx({"fp32": 4 * 200, "half": 4 * 160})


def test_totals_in_joules_that_are_measured(tmp_path: Path) -> None:
    measured = {"energy_method": "rapl", "energy_j_per_sample": 0.05, "energy_gain": 2.5}  # 5 W for the original
    found = with_totals(rows_of(tmp_path, HALF, **measured), Demand(inferences=1e4, unit="joules"))
    assert found["total"].to_dict() == pytest.approx({"fp32": 500 + 500, "half": 500 + 50 + 500 / 2.5})
    assert found.loc["half", "break_even"] == pytest.approx(50 / (0.05 - 0.02))


def test_an_estimate_is_not_compared_with_a_measured_original(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, HALF, energy_method="rapl", energy_j_per_sample=0.05, energy_gain=2.5, watts=4.0)
    rows.loc["half", "energy_method"] = "tdp_estimate"
    found = cheapest(rows, Demand(inferences=1e4, unit="joules"))
    assert math.isnan(found.loc["half", "total"])
    assert eligible(found) == ["fp32"]


def test_what_was_served_before_and_training_are_spent_either_way(rows: pd.DataFrame) -> None:
    found = with_totals(rows, Demand(inferences=1e4, served=1e6))
    assert found["total"].to_dict() == pytest.approx({"fp32": 0.1 + 10 + 0.1, "half": 0.1 + 10 + 0.06})
    without = with_totals(rows, Demand(inferences=1e4, served=1e6, spent=False))
    assert without["total"].to_dict() == pytest.approx({"fp32": 0.1, "half": 0.06})
    assert without["saved"].to_dict() == pytest.approx(found["saved"].to_dict())
    assert without.loc["half", "break_even"] == found.loc["half", "break_even"] == pytest.approx(2000)


def test_other_prices_of_making_and_serving(rows: pd.DataFrame) -> None:
    found = with_totals(rows, Demand(inferences=1e4, serving=7.2, making=36.0, spent=False))
    assert found["total"].to_dict() == pytest.approx({"fp32": 0.2, "half": 0.1 + 0.1})
    assert found.loc["half", "break_even"] == pytest.approx(1e4)


def test_at_the_break_even_point_totals_are_those_of_the_original(rows: pd.DataFrame) -> None:
    n_star = with_totals(rows, Demand(inferences=1)).loc["half", "break_even"]
    found = with_totals(rows, Demand(inferences=n_star, served=77))
    assert found.loc["half", "saved"] == pytest.approx(0, abs=1e-12)
    assert found.loc["half", "total"] == pytest.approx(cost.compressed_total(n_star, 77, 0.1, 1e-5, 0.01, 5e-6))
    assert found.loc["fp32", "total"] == pytest.approx(cost.original_total(n_star, 77, 0.1, 1e-5))


@pytest.mark.parametrize(("inferences", "best"), [(1, "fp32"), (1e4, "half"), (1e12, "tenth")])
def test_the_more_is_served_the_more_work_is_worth_it(tmp_path: Path, inferences: float, best: str) -> None:
    tenth = cell("tenth", 1.0, 10.0, **{**TRAINED, "compress_time_s": 1000.0})
    found = cheapest(rows_of(tmp_path, HALF, tenth), Demand(inferences=inferences))
    assert list(found.index[found["cheapest"]]) == [best]
    assert found.index[0] == best
    assert list(found.index[found["tied"]]) == [best]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (FAILED, "out_of_memory"),
        ({"quality": 0.88}, "below the quality gate"),
        ({"reference_cell_id": "elsewhere"}, "no reference"),
        ({"contended": True}, "contended"),
        ({"usd_per_hour": None}, "price or time unknown"),  # an unknown price is not zero
        ({"compress_time_s": None}, "price or time unknown"),
    ],
)
def test_what_may_not_be_chosen_comes_last_and_says_why(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    found = cheapest(rows_of(tmp_path, cell("half", 9.0, 2.0, **{**TRAINED, **changes})), Demand(1e9))
    assert list(found.index) == ["fp32", "half"]
    assert eligible(found) == list(found.index[found["tied"]]) == ["fp32"]
    assert found["why_not"].to_dict() == {"fp32": [], "half": [why]}


def test_limits_exclude_what_is_over_them_or_unknown(rows: pd.DataFrame) -> None:
    found = cheapest(rows, Demand(1e9), limits={"latency_p50_ms": 9.5, "disk_bytes": None})
    assert eligible(found) == ["half"]
    assert found.loc["fp32", "why_not"] == ["latency over the limit"]
    found = cheapest(rows, Demand(1e9), limits={"memory_above_baseline_bytes": 1e9})
    assert list(found["why_not"]) == [["memory unknown"]] * 2
    assert not found[["eligible", "cheapest", "tied"]].any(axis=None)


def test_a_lower_gate_lets_more_in(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, cell("half", 9.0, 2.0, **TRAINED, quality=0.88))
    assert cheapest(rows, Demand(1e9)).index[0] == "fp32"
    assert cheapest(rows, Demand(1e9), gate=0.95).index[0] == "half"


def test_nobody_is_the_cheapest_at_no_known_price(rows: pd.DataFrame) -> None:
    found = cheapest(ratios.with_ratios(rows.assign(usd_per_hour=None)), Demand(1e9))
    assert found["total"].isna().all()
    assert not found[["eligible", "cheapest", "tied"]].any(axis=None)


def test_ties_are_what_the_measurement_cannot_tell_apart(tmp_path: Path) -> None:
    like = cell("like", 9.0, 1.9, **TRAINED)  # within the intervals of 5 %
    unlike = cell("unlike", 9.0, 1.7, **TRAINED)
    unknown = cell("unknown", 9.0, 1.7, **TRAINED, speedup_ci_low=None, speedup_ci_high=None)
    rows = rows_of(tmp_path, HALF, like, unlike, unknown)
    found = cheapest(rows, Demand(1e9))
    assert found["tied"].to_dict() == {"half": True, "like": True, "unlike": False, "unknown": True, "fp32": False}
    exact = rows.assign(speedup_ci_low=rows["speedup"], speedup_ci_high=rows["speedup"])
    assert not cheapest(exact, Demand(1e9)).loc["like", "tied"]
    rows.loc["fp32", ["speedup_ci_low", "speedup_ci_high", "processes"]] = math.nan  # the reference has no error
    assert not cheapest(rows, Demand(1e9)).loc["fp32", "tied"]


def test_what_is_spent_either_way_makes_no_tie(rows: pd.DataFrame) -> None:
    found = cheapest(rows, Demand(inferences=1e6, served=1e12))  # both totals are 10,000,000 to 7 digits
    assert found["tied"].to_dict() == {"half": True, "fp32": False}
    assert cheapest(rows, Demand(inferences=0, served=1e6))["tied"].to_dict() == {"fp32": True, "half": False}
