"""The protocol's statistics against known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.statistics import calls_needed, median_or_none, percentile_estimate, ratio_interval


@pytest.mark.parametrize(("percentile", "calls"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_calls_needed_are_mlperfs(percentile: float, calls: int) -> None:
    assert calls_needed(percentile) == calls
    assert percentile_estimate(np.arange(calls), percentile) is not None
    assert percentile_estimate(np.arange(calls - 1), percentile) is None


def test_no_estimate_without_calls() -> None:
    assert percentile_estimate(np.array([]), 0.5) is None
    assert percentile_estimate(np.array([1.0]), 0.5) is None


@given(st.integers(64, 2000), st.integers(0, 2**32 - 1))
def test_the_estimate_is_a_latency_at_or_above_the_percentile(calls: int, seed: int) -> None:
    latencies = np.random.default_rng(seed).gamma(2, size=calls)
    estimate = percentile_estimate(latencies, 0.9)
    assert estimate in latencies
    assert estimate >= np.quantile(latencies, 0.9, method="lower")


def test_the_estimate_approaches_the_percentile() -> None:
    assert percentile_estimate(np.arange(1_000_000), 0.9) == pytest.approx(900_000, rel=0.002)


def test_equal_ratios_have_an_interval_of_no_width() -> None:
    mean, low, high, cv = ratio_interval([2.0, 2.0, 2.0])
    assert (mean, low, high, cv) == pytest.approx((2, 2, 2, 0))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        _, low, high, _ = ratio_interval(1.5 * np.exp(rng.normal(0, 0.05, size=3)))
        covered += low <= 1.5 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_one_process_gives_no_interval() -> None:
    assert ratio_interval([1.7]) == (pytest.approx(1.7), None, None, None)


def test_median_of_what_is_there() -> None:
    assert median_or_none([3.0, 1.0, 2.0]) == 2.0
    assert median_or_none([3.0, None]) is None
    assert median_or_none([]) is None
