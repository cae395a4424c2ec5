"""The cost formulas of protocol.md, section 5, on figures worked out by hand."""

import math

import numpy as np
import pytest

from breakeven import cost


def test_an_inference_occupies_its_mean_latency_alone_and_its_share_of_the_rate_in_batches() -> None:
    seconds = cost.inference_seconds(["single_stream", "offline"], [36.0, 999.0], [7.0, 100.0])
    assert seconds == pytest.approx([0.036, 0.01])


def test_cost_of_a_million_inferences() -> None:
    # 36 ms at US$ 1 an hour: 0.036 / 3600 = US$ 0.00001 each
    assert cost.per_million(cost.work(0.036, 1.0)) == pytest.approx(10.0)


def test_a_price_of_one_counts_device_hours() -> None:
    assert cost.work(7200.0) == pytest.approx(2.0)


def test_totals_meet_at_the_break_even_point() -> None:
    training, served, c_0, compressing, c_comp = 50.0, 1_000, 0.004, 30.0, 0.001
    n_star = cost.break_even(compressing, c_0, c_comp)
    assert n_star == pytest.approx(30.0 / 0.003)
    original = cost.original_total(n_star, served, training, c_0)
    compressed = cost.compressed_total(n_star, served, training, c_0, compressing, c_comp)
    assert original == pytest.approx(50 + (1_000 + 10_000) * 0.004)
    assert compressed == pytest.approx(float(original))
    later = cost.compressed_total(2 * n_star, served, training, c_0, compressing, c_comp)
    assert later < cost.original_total(2 * n_star, served, training, c_0)


@pytest.mark.parametrize("c_comp", [0.004, 0.005])
def test_never_where_an_inference_gets_no_cheaper(c_comp: float) -> None:
    assert cost.break_even(0.0, 0.004, c_comp) == math.inf


def test_work_that_costs_nothing_pays_off_at_once() -> None:
    assert cost.break_even(0.0, 0.004, 0.001) == 0.0


def test_the_unknown_stays_unknown() -> None:
    found = cost.break_even([1.0, math.nan, 1.0], [math.nan, 2.0, 2.0], [1.0, 1.0, math.nan])
    assert np.isnan(found).all()
    assert np.isnan(cost.work(10.0, None))
