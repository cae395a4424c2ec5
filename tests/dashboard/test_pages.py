"""Every page on made-up rows, without rows, and on a foreign file. No browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import inference_rows, training_rows, write_results
from pages import PAGES, READING, page, tables, texts

from breakeven.rows import InferenceRow, TrainingRow, write_parquet


@pytest.mark.parametrize("title", PAGES)
def test_a_page_shows_rows_without_an_error(results: Path, title: str) -> None:
    app = page(title)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == title


@pytest.mark.parametrize("title", READING)
def test_without_results_a_page_says_how_to_make_some(no_results: Path, title: str) -> None:
    app = page(title)
    assert not app.exception
    assert "make run" in texts(app.info)
    assert not tables(app)


@pytest.mark.parametrize("title", READING)
def test_a_foreign_file_gives_one_line_and_no_traceback(no_results: Path, title: str) -> None:
    (no_results / "inference.parquet").write_text("from somewhere else")
    app = page(title)
    assert not app.exception
    (error,) = app.error
    assert "inference.parquet" in error.value
    assert "\n" not in error.value


@pytest.mark.parametrize("title", READING)
def test_a_board_of_failures_only_is_gaps_not_a_crash(no_results: Path, title: str) -> None:
    failed = [row for row in inference_rows() if row.status != "ok"]
    write_parquet(failed, InferenceRow, no_results / "inference.parquet")
    app = page(title)
    assert not app.exception
    assert not app.error
    if title in ("Leaderboard", "Pareto front", "Break-even"):
        assert "has no linear layer" in texts(app.markdown)


@pytest.mark.parametrize("title", READING)
def test_published_rows_come_beside_those_of_this_machine_on_request(
    results: Path, published: Path, title: str
) -> None:
    write_results(published)
    app = page(title)
    before = len(tables(app))
    app.toggle(key="published").set_value(True).run()
    assert not app.exception
    # Pages that show all boards have twice as many tables. Other pages have a choice between the two sources.
    assert len(tables(app)) == (2 * before if title in ("Leaderboard", "Overall") else before)
    if title in ("Pareto front", "Break-even"):
        name = {"Pareto front": "pareto", "Break-even": "calculator"}[title]
        assert list(app.segmented_control(key=f"{name}_source").options) == ["this machine", "published"]


def test_published_rows_are_shown_where_this_machine_has_none(no_results: Path, published: Path) -> None:
    write_results(published)
    app = page("Leaderboard")
    assert not app.info
    assert len(tables(app)) == 3


@pytest.mark.parametrize("title", READING)
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
    if title == "Overall":
        assert tables(app)[0]["Coverage"].iloc[0] == "4/4"


def test_training_rows_alone_are_shown(no_results: Path) -> None:
    write_parquet(training_rows(), TrainingRow, no_results / "training.parquet")
    app = page("Leaderboard")
    assert not app.exception
    assert tables(app)[0]["Trained as"].iloc[0] == "ddp@cpu_2x1"
    for title in ("Overall", "Pareto front", "Break-even"):
        assert "no inference rows" in texts(page(title).info)


def test_a_board_measured_beside_other_programs_is_not_ranked_and_says_so(no_results: Path) -> None:
    rows = inference_rows()
    for row in rows:
        row.contended = True
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    for title in ("Leaderboard", "Pareto front", "Break-even"):
        assert "not ranked" in texts(page(title).warning)
    assert tables(page("Leaderboard"))[0]["#"].eq("–").all()
    assert tables(page("Overall"))[0]["Coverage"].eq("0/2").all()
