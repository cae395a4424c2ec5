"""The pages that compute: Pareto front, break-even and overall. No browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixture_rows import inference_rows
from pages import cells, page, tables, texts

from breakeven.rows import InferenceRow, write_parquet
from breakeven.scoring import ratios

MAGNITUDE = "magnitude_pruning-sparsity=0.8"


@pytest.mark.parametrize("cost", ratios.COSTS)
def test_the_pareto_page_draws_every_cost(results: Path, cost: str) -> None:
    app = page("Pareto front")
    app.selectbox(key="pareto_cost_latency").set_value(cost).run()
    assert not app.exception
    assert "Click a point" in texts(app.info)
    paired = ratios.COSTS[cost].interval is not None
    assert ("Horizontal bars" in texts(app.caption)) == paired
    assert ("it has no interval" in texts(app.caption)) != paired
    assert "low\\_rank+int8\\_dynamic (unsupported)" in texts(app.caption)


def test_the_interval_of_a_cost_is_that_of_its_ratio(published: Path) -> None:
    from views import charts

    rows = pd.DataFrame(
        {
            "latency_p50_ms": [2.0, 8.0],
            "throughput_samples_per_s": [500.0, 125.0],
            "speedup": [4.0, 1.0],
            "speedup_ci_low": [2.0, 1.0],
            "speedup_ci_high": [8.0, 1.0],
        }
    )
    for cost, ends in (("latency", (1.0, 4.0)), ("throughput", (250.0, 1000.0))):
        low, high = charts.ends(rows, ratios.COSTS[cost])
        assert (low[0], high[0]) == ends
        assert np.isnan(low[1]) and np.isnan(high[1])  # the reference: exact by definition


def test_break_even_says_when_and_when_never(results: Path) -> None:
    app = page("Break-even")
    table = tables(app)[0].set_index("Method")
    # 9 s of work. An inference takes 6.324 ms, and then 1 / 7.4 of it.
    assert table.loc["int8_static", "N*"] == f"{9 / (0.006324 * (1 - 1 / 7.4)) / 1000:.3g} k"
    assert table.loc["int8_dynamic", "N*"] == "never"
    assert table.loc["fp32", "N*"] == "the original"
    assert cells(app, 0, MAGNITUDE)["N*"]["below"].endswith("never")
    assert "never pays off: int8_dynamic" in texts(app.caption)


def test_the_price_of_compressing_moves_break_even(results: Path) -> None:
    app = page("Break-even")
    before = tables(app)[0].set_index("Method").loc["int8_static", "N*"]
    app.number_input(key="calculator_making_0.0425").set_value(0.425).run()
    after = tables(app)[0].set_index("Method").loc["int8_static", "N*"]
    assert float(after.removesuffix(" k")) == pytest.approx(10 * float(before.removesuffix(" k")), rel=0.01)
    assert "differ from" in texts(app.caption)


def test_the_cheapest_depends_on_the_number_of_inferences(results: Path) -> None:
    app = page("Break-even")
    app.select_slider(key="calculator_n").set_value(100).run()
    assert tables(app)[0]["Method"].iloc[0] == "fp32"
    app.select_slider(key="calculator_n").set_value(10**9).run()
    assert tables(app)[0]["Method"].iloc[0] == "int8_static"
    app.slider(key="calculator_gate").set_value(0.98).run()
    assert tables(app)[0]["Method"].iloc[0] == "channel_pruning-ratio=0.5+int8_static"


def test_what_the_measurement_cannot_tell_from_the_cheapest_is_named(no_results: Path) -> None:
    rows = inference_rows()
    twins = [replace(row, chain="twin", cell_id=f"{row.cell_id} twin") for row in rows if row.chain == "int8_static"]
    write_parquet(rows + twins, InferenceRow, no_results / "inference.parquet")
    assert "tied with twin" in texts(page("Break-even").caption)
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    assert "cheaper than every other beyond doubt" in texts(page("Break-even").caption)


def test_limits_choose_and_the_command_repeats_them(results: Path) -> None:
    app = page("Break-even")
    assert "--min-quality" not in app.code[0].value
    app.number_input(key="calculator_disk_bytes").set_value(2.9)
    app.number_input(key="calculator_latency_p50_ms").set_value(3.0)
    app.slider(key="calculator_gate").set_value(0.985)
    app.segmented_control(key="calculator_unit").set_value("joules").run()
    assert tables(app)[0]["Method"].iloc[0] == "channel_pruning-ratio=0.5"
    assert tables(app)[0]["Total at 1 M"].iloc[0].endswith(" J")
    assert app.code[0].value == (
        f"breakeven cheapest --inferences 1e+06 --results {results} --task fashion_mnist --hardware cpu_1"
        " --scenario single_stream --unit joules --min-quality 0.985 --max-latency-ms 3 --max-disk-mb 2.9"
    )


def test_limits_that_nothing_keeps_leave_no_choice(results: Path) -> None:
    app = page("Break-even")
    app.number_input(key="calculator_latency_p50_ms").set_value(0.001).run()
    assert not app.exception
    assert "Loosen a limit" in texts(app.warning)


def test_device_hours_and_unpriced_hardware(no_results: Path) -> None:
    rows = inference_rows()
    for row in rows:
        row.usd_per_hour = row.price_source = row.price_date = None
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Break-even")
    assert not app.exception
    assert tables(app)[0]["Total at 1 M"].iloc[:-1].str.endswith(" h").all()
    app.segmented_control(key="calculator_unit").set_value("usd").run()
    assert not app.exception
    assert "needs a price" in texts(app.warning)


def test_the_overall_board_scores_covers_and_shows_its_common_subset(results: Path) -> None:
    app = page("Overall")
    (table,) = tables(app)
    assert table["#"].tolist()[:3] == ["1", "2=", "2="]
    assert table["Score"].iloc[0] == "1.000"
    best = cells(app, 0, "int8_static")
    assert best["Coverage"]["text"] == "2/2"
    assert best["Gain, n = 2"]["text"] == "7.40×"
    assert best["Gain, n = 2"]["below"] == "7.25× – 7.55×"
    failed = cells(app, 0, "low_rank+int8_dynamic")
    assert (failed["#"]["text"], failed["Coverage"]["text"], failed["Gain, n = 2"]["text"]) == ("–", "0/2", "–")
    assert len(app.get("vega_lite_chart")) == 2


@pytest.mark.parametrize("cost", ratios.COSTS)
def test_the_overall_board_takes_every_cost(results: Path, cost: str) -> None:
    app = page("Overall")
    app.selectbox(key="overall_by_single_stream").set_value(cost).run()
    assert not app.exception


def test_one_task_makes_no_overall_board(no_results: Path) -> None:
    rows = [row for row in inference_rows() if row.task == "fashion_mnist"]
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Overall")
    assert not tables(app)
    assert "at least two tasks" in texts(app.info)
