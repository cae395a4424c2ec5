"""The cost formulas of protocol.md, section 5, on numbers computed by hand."""

import doctest
import math
import re
from pathlib import Path

import numpy as np
import pytest

from breakeven.scoring import cost

PAGE = (Path(__file__).parents[3] / "docs" / "cost.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the cells of the page's table with this heading, row by row, without the heading."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def figure(text: str) -> float:
    return float(text.replace(",", ""))


def test_an_inference_occupies_its_mean_latency_alone_and_its_share_of_the_rate_in_batches() -> None:
    seconds = cost.inference_seconds(["single_stream", "offline"], [36.0, 999.0], [7.0, 100.0])
    assert seconds == pytest.approx([0.036, 0.01])


def test_cost_of_a_million_inferences() -> None:
    # 36 ms at US$ 1 per hour: 0.036 / 3600 = US$ 0.00001 each
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


def test_the_worked_example_runs_as_it_is_printed() -> None:
    code = doctest.DocTestParser().get_doctest(re.sub(r"^```.*$", "", PAGE, flags=re.M), {}, "cost.md", None, None)
    result = doctest.DocTestRunner().run(code)
    assert result.failed == 0
    assert result.attempted >= 20


def test_the_terms_of_the_worked_example_are_those_of_its_inputs() -> None:
    of = {symbol.strip("`"): figure(value) for symbol, _, value in table("symbol | what | value")}
    c_0 = cost.work(of["l_0"] / 1000, of["R_inf"])
    c_comp = cost.work(of["l_0"] / 1000 / (of["m"] * of["n"]), of["R_inf"])
    compressing = (of["T_prune"] + of["T_quantise"]) * of["R_train"]
    expected = [of["T_train0"] * of["R_train"], of["N0"] * c_0, compressing, of["N"] * c_comp]
    terms = table("term | here | US$")
    assert [figure(value) for *_, value in terms] == pytest.approx(expected)
    formula = " + ".join(name.strip("`") for name, *_ in terms)
    assert f"C_comp = {formula}" in PAGE
    assert formula.replace("·", "*").count("*") == 4
    total = cost.compressed_total(of["N"], of["N0"], expected[0], c_0, compressing, c_comp)
    assert sum(figure(value) for *_, value in terms) == pytest.approx(float(total))


def test_the_worked_examples_summary_is_that_of_its_inputs() -> None:
    of = {symbol.strip("`"): figure(value) for symbol, _, value in table("symbol | what | value")}
    l_0, l_comp = of["l_0"] / 1000, of["l_0"] / 1000 / (of["m"] * of["n"])
    summary = np.array([[figure(value) for value in row] for _, *row in table("| US$ | MJ | device-hours")])
    megajoules = 3600 / 1e6  # one watt for one hour
    units = [(of["R_train"], of["R_inf"]), (of["P_train"] * megajoules, of["P_inf"] * megajoules), (1.0, 1.0)]
    for column, (train, serve) in zip(summary.T, units, strict=True):
        c_0, c_comp = cost.work(l_0, serve), cost.work(l_comp, serve)
        making, training = (of["T_prune"] + of["T_quantise"]) * train, of["T_train0"] * train
        totals = training + (of["N0"] + of["N"]) * c_0, training + of["N0"] * c_0 + making + of["N"] * c_comp
        expected = [c_0 * 1e6, c_comp * 1e6, *totals, making / (c_0 - c_comp)]
        assert column == pytest.approx(expected, rel=1e-3)
