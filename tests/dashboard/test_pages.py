"""Every page on made-up rows, on none, and on a foreign file; and what its controls change. No browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import inference_rows, training_rows, write_results
from streamlit.testing.v1 import AppTest

from breakeven.record import InferenceRow, TrainingRow, write_parquet

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
PAGES = {"Leaderboard": "views/leaderboard.py", "Pareto front": "views/pareto.py", "Break-even": "views/breakeven.py"}
TIMEOUT = 60  # s; a hanging page fails the test


def page(title: str) -> AppTest:
    """The dashboard, opened at a page."""
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT).run()
    return app if title == "Leaderboard" else app.switch_page(PAGES[title]).run()


def texts(elements: object) -> str:
    return "\n".join(str(element.value) for element in elements)  # type: ignore[attr-defined]


@pytest.mark.parametrize("title", PAGES)
def test_a_page_shows_rows_without_an_error(results: Path, title: str) -> None:
    app = page(title)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == title


@pytest.mark.parametrize("title", PAGES)
def test_without_results_a_page_says_how_to_make_some(no_results: Path, title: str) -> None:
    app = page(title)
    assert not app.exception
    assert "make run" in texts(app.info)
    assert not app.dataframe


@pytest.mark.parametrize("title", PAGES)
def test_a_foreign_file_gives_one_line_and_no_traceback(no_results: Path, title: str) -> None:
    (no_results / "inference.parquet").write_text("from somewhere else")
    app = page(title)
    assert not app.exception
    (error,) = app.error
    assert "inference.parquet" in error.value
    assert "\n" not in error.value


def test_the_leaderboard_has_a_table_per_task_and_one_for_training(results: Path) -> None:
    app = page("Leaderboard")
    fashion, words, training = (frame.value for frame in app.dataframe)
    assert fashion["chain"].iloc[0] == "int8_static"
    assert fashion["rank"].dropna().tolist() == [1, 2, 2, 4, 4, 4]
    assert list(words.set_index("chain").loc["low_rank", "flags"]) == ["open", "contended"]
    assert training["training"].iloc[0] == "ddp@cpu_2x1"
    assert "has no linear layer" in texts(app.markdown)


def test_filters_narrow_the_table_and_keep_the_ranks(results: Path) -> None:
    app = page("Leaderboard")
    app.multiselect(key="filter_task").set_value(["fashion_mnist"])
    app.multiselect(key="filter_runtime").set_value(["eager"]).run()
    fashion, _training = (frame.value for frame in app.dataframe)
    ranks = fashion.set_index("chain")["rank"]
    assert "int8_static" not in ranks
    assert ranks["channel_pruning-ratio=0.5"] == 2


def test_filters_narrow_the_training_board_too(results: Path) -> None:
    app = page("Leaderboard")
    app.multiselect(key="filter_hardware").set_value(["cpu_1"]).run()
    training = app.dataframe[-1].value
    assert training["training"].tolist() == ["single_device@cpu_1"]
    assert training["rank"].tolist() == [2]


def test_a_lower_gate_lets_more_rows_into_the_ranking(results: Path) -> None:
    app = page("Leaderboard")
    app.slider(key="gate").set_value(0.98).run()
    fashion = app.dataframe[0].value
    assert fashion["chain"].iloc[0] == "channel_pruning-ratio=0.5+int8_static"
    assert fashion["rank"].iloc[0] == 1


def test_ranking_by_another_cost_reorders_the_table(results: Path) -> None:
    app = page("Leaderboard")
    app.selectbox(key="by_single_stream").set_value("disk").run()
    assert app.dataframe[0].value["chain"].iloc[0] == "channel_pruning-ratio=0.5"


def test_the_table_follows_the_scenario(results: Path) -> None:
    app = page("Leaderboard")
    app.selectbox(key="scenario").set_value("offline").run()
    assert not app.exception
    assert "throughput_samples_per_s" in app.dataframe[0].value


@pytest.mark.parametrize("cost", ["latency", "disk", "memory", "usd"])
def test_the_pareto_page_draws_every_cost(results: Path, cost: str) -> None:
    app = page("Pareto front")
    app.selectbox(key="pareto_cost_latency").set_value(cost).run()
    assert not app.exception
    assert "Click a point" in texts(app.info)


def test_break_even_says_when_and_when_never(results: Path) -> None:
    table = page("Break-even").dataframe[0].value.set_index("chain")
    # 9 s of work; an inference takes 6.324 ms, and 1 / 7.4 of it
    assert table.loc["int8_static", "n_star"] == f"{9 / (0.006324 * (1 - 1 / 7.4)) / 1000:.3g} k"
    assert table.loc["int8_dynamic", "n_star"] == "never"
    assert table.loc["fp32", "n_star"] == "the original"
    assert table.loc["magnitude_pruning-sparsity=0.8", "interval"].endswith("never")


def test_the_price_of_compressing_moves_break_even(results: Path) -> None:
    app = page("Break-even")
    before = app.dataframe[0].value.set_index("chain").loc["int8_static", "n_star"]
    app.number_input(key="breakeven_making_0.0425").set_value(0.425).run()
    after = app.dataframe[0].value.set_index("chain").loc["int8_static", "n_star"]
    assert float(after.removesuffix(" k")) == pytest.approx(10 * float(before.removesuffix(" k")), rel=0.01)


def test_the_cheapest_depends_on_the_number_of_inferences(results: Path) -> None:
    app = page("Break-even")
    app.select_slider(key="breakeven_n").set_value(100).run()
    assert app.dataframe[0].value["chain"].iloc[0] == "fp32"
    app.select_slider(key="breakeven_n").set_value(10**9).run()
    assert app.dataframe[0].value["chain"].iloc[0] == "channel_pruning-ratio=0.5+int8_static"


def test_device_hours_and_unpriced_hardware(no_results: Path) -> None:
    rows = inference_rows()
    for row in rows:
        row.usd_per_hour = row.price_source = row.price_date = None
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Break-even")
    assert not app.exception
    assert app.dataframe[0].value["total"].str.endswith(" h").all()


@pytest.mark.parametrize("title", PAGES)
def test_a_board_of_failures_only_is_gaps_not_a_crash(no_results: Path, title: str) -> None:
    failed = [row for row in inference_rows() if row.status != "ok"]
    write_parquet(failed, InferenceRow, no_results / "inference.parquet")
    app = page(title)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("title", PAGES)
def test_published_rows_come_beside_those_of_this_machine_on_request(
    results: Path, published: Path, title: str
) -> None:
    write_results(published)
    app = page(title)
    before = len(app.dataframe)
    app.toggle(key="published").set_value(True).run()
    assert not app.exception
    # A board more for each on the leaderboard; elsewhere a choice between the two.
    assert len(app.dataframe) == (2 * before if title == "Leaderboard" else before)
    if title != "Leaderboard":
        name = {"Pareto front": "pareto", "Break-even": "breakeven"}[title]
        assert list(app.segmented_control(key=f"{name}_source").options) == ["this machine", "published"]


def test_published_rows_are_shown_where_this_machine_has_none(no_results: Path, published: Path) -> None:
    write_results(published)
    app = page("Leaderboard")
    assert not app.info
    assert len(app.dataframe) == 3


@pytest.mark.parametrize("title", PAGES)
def test_seeds_are_boards_of_their_own(no_results: Path, title: str) -> None:
    rows = inference_rows() + inference_rows()
    for row in rows[len(rows) // 2 :]:
        row.seed, row.cell_id = 1, f"seed 1 {row.cell_id}"
        row.reference_cell_id = row.reference_cell_id and f"seed 1 {row.reference_cell_id}"
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page(title)
    assert not app.exception
    if title == "Leaderboard":
        assert [heading.value for heading in app.subheader][:2] == [
            f"fashion_mnist on cpu_1 · seed {seed}" for seed in (0, 1)
        ]


def test_training_rows_alone_are_shown(no_results: Path) -> None:
    write_parquet(training_rows(), TrainingRow, no_results / "training.parquet")
    app = page("Leaderboard")
    assert not app.exception
    assert app.dataframe[0].value["training"].iloc[0] == "ddp@cpu_2x1"
    assert "no inference rows" in texts(page("Pareto front").info)


def test_a_board_measured_beside_other_programs_is_not_ranked_and_says_so(no_results: Path) -> None:
    rows = inference_rows()
    for row in rows:
        row.contended = True
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    for title in PAGES:
        assert "not ranked" in texts(page(title).warning)
    assert page("Leaderboard").dataframe[0].value["rank"].isna().all()
