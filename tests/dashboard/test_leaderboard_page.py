"""The leaderboard page: ranks, flags with their reasons, budgets, filters, and the training board. No browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import inference_rows
from pages import cells, page, tables, texts

from breakeven.rows import InferenceRow, write_parquet
from breakeven.scoring import ratios
from breakeven.scoring.wording import LABELS

MAGNITUDE = "magnitude_pruning-sparsity=0.8"


def test_the_leaderboard_has_a_table_per_task_and_one_for_training(results: Path) -> None:
    app = page("Leaderboard")
    fashion, words, training = tables(app)
    assert fashion["Method"].iloc[0] == "int8_static"
    assert fashion["#"].tolist()[:6] == ["1", "2=", "2=", "4=", "4=", "6"]
    flags = words.set_index("Method").loc["low_rank", "Badges and flags"]
    assert flags == ["self-reported", "estimated", "open", "contended"]
    assert training["Trained as"].iloc[0] == "ddp@cpu_2x1"
    assert "has no linear layer" in texts(app.markdown)


def test_every_label_carries_its_reason(results: Path) -> None:
    app = page("Leaderboard")
    labels = cells(app, 0, "channel_pruning-ratio=0.5")["Badges and flags"]["labels"]
    assert [label["text"] for label in labels] == ["self-reported", "estimated", "gate uncertain"]
    for label in labels:
        assert label["why"].startswith(LABELS[label["text"]])
    assert labels[-1]["why"].endswith("(here 98.90 % – 99.70 %)")
    (gap,) = cells(app, 0, "low_rank+int8_dynamic")["Badges and flags"]["labels"]
    assert gap["text"] == "unsupported"
    assert "no linear layer" in gap["why"]


def test_intervals_and_the_theoretical_speed_up_stand_beside_what_is_measured(results: Path) -> None:
    line = cells(page("Leaderboard"), 0, MAGNITUDE)
    assert line["Speed-up"]["below"] == "0.98× – 1.03×"
    assert line["By arithmetic"]["text"] == "5.00×"
    assert line["Quality kept"]["below"] == "99.2% – 100.0%"
    assert line["Latency p50 [ms]"]["below"] == "6.05 – 6.3"
    assert line["Energy per sample [mJ]"]["below"] == "1.00× (0.97× – 1.04×)"
    assert line["Pays off"]["below"].endswith("never")


def test_what_the_compression_adds_to_its_runtime_is_a_column(results: Path) -> None:
    app = page("Leaderboard")
    assert cells(app, 0, "int8_static")["In its runtime"]["text"] == "2.85×"  # 7.4 divided by the runtime's own 2.6
    low, high = cells(app, 0, "int8_static")["In its runtime"]["below"].split(" – ")
    assert low < "2.85×" < high
    assert cells(app, 0, MAGNITUDE)["In its runtime"]["text"] == cells(app, 0, MAGNITUDE)["Speed-up"]["text"]
    assert cells(app, 0, "onnxruntime")["In its runtime"] == {"text": "1.00×", "sort": 1.0, "page": "row"}


def test_without_the_runtimes_own_fp32_nothing_is_said_of_it(no_results: Path) -> None:
    rows = [row for row in inference_rows() if row.chain != "onnxruntime"]
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    assert cells(page("Leaderboard"), 0, "int8_static")["In its runtime"]["text"] == "–"


def test_rows_without_a_packed_size_are_shown(no_results: Path) -> None:
    rows = inference_rows()
    for row in rows:
        row.packed_bytes = None
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Leaderboard")
    app.selectbox(key="board_by_single_stream").set_value("packed").run()
    assert not app.exception
    assert tables(app)[0]["#"].eq("–").all()


def test_a_method_links_to_its_row(results: Path) -> None:
    link = cells(page("Leaderboard"), 0, "int8_static")["Method"]["link"]
    assert link == {"cell": "fashion_mnist/int8_static", "scenario": "single_stream", "machine": "fixture"}


def test_machines_have_boards_of_their_own_and_verify_each_other(no_results: Path) -> None:
    rows = inference_rows()
    there = inference_rows()
    for row in there:
        row.hardware_fingerprint = "elsewhere"
    write_parquet(rows + there, InferenceRow, no_results / "inference.parquet")
    app = page("Leaderboard")
    headings = [heading.value for heading in app.subheader][:2]
    assert headings == [f"fashion_mnist on cpu_1 · Fixture CPU ({name})" for name in ("elsewher", "fixture")]
    for fashion in tables(app)[:2]:
        labels = fashion.set_index("Method")["Badges and flags"]
        assert "verified" in labels["int8_static"]
        assert "verified" not in labels["fp32"]


def test_filters_narrow_the_table_and_keep_the_ranks(results: Path) -> None:
    app = page("Leaderboard")
    app.multiselect(key="filter_task").set_value(["fashion_mnist"])
    app.multiselect(key="filter_runtime").set_value(["eager"]).run()
    fashion, _training = tables(app)
    ranks = fashion.set_index("Method")["#"]
    assert "int8_static" not in ranks
    assert ranks["channel_pruning-ratio=0.5"] == "2="


def test_filters_narrow_the_training_board_too(results: Path) -> None:
    app = page("Leaderboard")
    app.multiselect(key="filter_hardware").set_value(["cpu_1"]).run()
    training = tables(app)[-1]
    assert training["Trained as"].tolist() == ["single_device@cpu_1"]
    assert training["#"].tolist() == ["2"]


def test_a_lower_gate_lets_more_rows_into_the_ranking(results: Path) -> None:
    app = page("Leaderboard")
    app.slider(key="board_gate").set_value(0.98).run()
    fashion = tables(app)[0]
    assert fashion["Method"].iloc[0] == "channel_pruning-ratio=0.5+int8_static"
    assert fashion["#"].iloc[0] == "1"


def test_a_budget_recomputes_the_ranks(results: Path) -> None:
    app = page("Leaderboard")
    app.number_input(key="board_latency_p50_ms").set_value(3.0).run()
    ranks = tables(app)[0].set_index("Method")["#"]
    assert ranks["fp32"] == ranks[MAGNITUDE] == "–"
    assert ranks["int8_static"] == "1"
    app.number_input(key="board_disk_bytes").set_value(2.9).run()
    ranks = tables(app)[0].set_index("Method")["#"]
    assert ranks["channel_pruning-ratio=0.5"] == "1"
    assert "Budgets are set" in texts(app.info)


@pytest.mark.parametrize("by", ratios.COSTS)
def test_ranking_by_any_cost_shows_its_column(results: Path, by: str) -> None:
    app = page("Leaderboard")
    app.selectbox(key="board_by_single_stream").set_value(by).run()
    assert not app.exception
    fashion = tables(app)[0]
    assert any(head.startswith(ratios.COSTS[by].label) for head in fashion)
    if by == "disk":
        assert fashion["Method"].iloc[0] == "channel_pruning-ratio=0.5"


def test_the_table_follows_the_scenario(results: Path) -> None:
    app = page("Leaderboard")
    app.selectbox(key="board_scenario").set_value("offline").run()
    assert not app.exception
    assert "Throughput [samples/s]" in tables(app)[0]
    low, high = cells(app, 0, "int8_static")["Throughput [samples/s]"]["below"].split(" – ")
    assert low < cells(app, 0, "int8_static")["Throughput [samples/s]"]["text"] < high


def test_a_row_that_a_chart_lacks_is_named_below_it(results: Path) -> None:
    assert "low\\_rank+int8\\_dynamic (unsupported)" in texts(page("Leaderboard").caption)


def test_one_training_run_shows_that_it_has_no_interval(results: Path) -> None:
    line = cells(page("Leaderboard"), 2, "ddp@cpu_2x1")
    assert line["95 %"]["text"] == "–"
    assert "no interval" in line["95 %"]["why"]
    assert line["To target"]["text"] == "missed"


def test_the_rows_shown_can_be_taken_away(results: Path) -> None:
    (button,) = page("Leaderboard").get("download_button")
    assert button.proto.label == "These rows as CSV"
