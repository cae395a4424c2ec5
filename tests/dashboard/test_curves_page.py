"""The pages of curves and of methods. No browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import curve_rows
from pages import cells, page, tables, texts

from breakeven.rows import InferenceRow, write_parquet
from breakeven.units import catalogue


def test_without_a_curve_the_page_says_how_to_make_one(results: Path) -> None:
    app = page("Curves")
    assert "No curve here yet" in texts(app.info)
    assert app.code[0].value.startswith("curve: {magnitude_pruning: {sparsity: [0.5,")
    assert "--configfile" in app.code[1].value


def test_curves_are_drawn_and_listed(with_curves: Path) -> None:
    app = page("Curves")
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2
    (table,) = tables(app)
    assert table["Value"].tolist() == [
        *("0.5", "0.75", "0.875", "0.9375", "0.96875"),
        *("0.5", "0.75", "0.8", "0.875", "0.9375", "0.96875"),
        *("0.5", "0.75", "0.875", "0.9375", "0.96875"),
    ]
    half = cells(app, 0, "magnitude_pruning-sparsity=0.5")
    assert (half["Parameters"]["text"], half["Size"]["text"]) == ("2.00×", "1.00×")
    assert half["Value"]["below"] == "sparsity"
    assert "2003.03033" in texts(app.caption)


@pytest.mark.parametrize("amount", ["parameters", "disk", "packed", "arithmetic"])
@pytest.mark.parametrize("baseline", ["runtime", "eager"])
def test_every_axis_is_drawn(with_curves: Path, amount: str, baseline: str) -> None:
    app = page("Curves")
    app.segmented_control(key="curves_amount").set_value(amount)
    app.segmented_control(key="curves_baseline").set_value(baseline).run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2


def test_a_curve_starts_at_the_uncompressed_model_in_its_runtime(with_curves: Path, published: Path) -> None:
    from views import curve_charts

    from breakeven.scoring import leaderboard
    from breakeven.scoring.curves import curves

    found = [c for c in curves(leaderboard.load(with_curves)[0]) if c.chain.endswith("+onnxruntime")][:1]
    amount = curve_charts.AMOUNTS["parameters"]
    for name, start in (("runtime", 1.0), ("eager", 2.6)):
        drawn = curve_charts.prepared(found, amount, curve_charts.BASELINES[name])
        assert drawn["x"].round(3).tolist() == [1, 2, 4, 8, 16, 32]
        first = drawn.iloc[0]
        assert (first["label"], first["chain"], first["gain"]) == ("uncompressed", "onnxruntime", start)
        assert first["theoretical_speedup"] == 1
    assert curve_charts.doublings(0.9, 20) == [0.5, 1, 2, 4, 8, 16, 32]


def test_a_curve_without_a_change_on_its_axis_says_so(with_curves: Path) -> None:
    app = page("Curves")
    assert "Upright" not in texts(app.caption)
    app.segmented_control(key="curves_amount").set_value("disk").run()  # zeros do not shrink a file
    (said,) = [caption.value for caption in app.caption if "Upright" in caption.value]
    assert "magnitude\\_pruning" in said
    assert "channel" not in said


def test_a_failed_point_is_a_gap_and_not_drawn(no_results: Path) -> None:
    rows = curve_rows()
    for row in rows:
        if row.chain == "channel_pruning-ratio=0.96875":
            row.status, row.reason, row.speedup, row.quality, row.nonzero_parameters = "diverged", "lost", *[None] * 3
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Curves")
    assert not app.exception
    assert "diverged" in texts(app.markdown)


def test_no_curve_chosen_draws_none(with_curves: Path) -> None:
    app = page("Curves")
    (pills,) = [pills for pills in app.get("button_group") if pills.label == "Curves"]
    pills.set_value([]).run()
    assert "No curve is chosen" in texts(app.info)


def test_all_methods_are_listed_with_what_became_of_them(results: Path) -> None:
    (table,) = tables(page("Method"))
    assert table["Method"].tolist() == catalogue.names("methods")
    helped = table.set_index("Method")["Helped"]
    assert helped["int8_static"] == "4 of 4"
    assert helped["low_rank"] == "0 of 4"  # below the gate
    assert helped["eager"] == "–"  # the reference
    assert helped["ddp"] == "–"


def test_a_method_says_what_it_is(results: Path) -> None:
    app = page("Method", method="magnitude_pruning")
    assert not app.exception
    assert "https://arxiv.org/abs/1506.02626" in texts(app.markdown)
    for heading in ("Paper", "Limits", "Changes", "Served by"):
        assert f"**{heading}:**" in texts(app.markdown)
    parameters = tables(app)[0].set_index("Parameter")
    assert parameters.loc["sparsity", "Range"] == "above 0, below 1"


def test_verdicts_are_told_with_their_reasons(results: Path) -> None:
    app = page("Method", method="int8_static")
    _parameters, alone, chains = tables(app)
    assert alone["Verdict"].tolist() == [["helped: faster, smaller"]] * 4
    assert chains["Verdict"].tolist() == [["below the quality gate"]] * 4
    raw = app.get("bidi_component")[1].proto.json
    assert "over fp32 in onnxruntime" in raw
    assert "Helped on fashion\\_mnist (single stream)" in texts(app.markdown)
    assert "Did not help on" in texts(app.markdown)


@pytest.mark.parametrize("name", ["onnxruntime", "eager", "ddp", "single_device", "low_rank", "int8_dynamic"])
def test_every_kind_of_method_has_its_page(results: Path, name: str) -> None:
    app = page("Method", method=name)
    assert not app.exception
    assert not app.error
    assert tables(app)


def test_a_methods_curve_is_on_its_page(with_curves: Path) -> None:
    app = page("Method", method="channel_pruning")
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2
    assert len(app.selectbox(key="board_channel_pruning").options) == 4


def test_without_rows_a_method_is_still_described(no_results: Path) -> None:
    app = page("Method", method="magnitude_pruning")
    assert not app.exception
    assert "Paper" in texts(app.markdown)
    assert "make run" in texts(app.info)


def test_an_unknown_method_is_named_and_another_can_be_picked(results: Path) -> None:
    app = page("Method", method="gone")
    assert "gone" in app.error[0].value
    app.selectbox[0].set_value("low_rank").run()
    assert app.query_params["method"] == ["low_rank"] or app.query_params["method"] == "low_rank"
    assert app.subheader[0].value == "low\\_rank"
