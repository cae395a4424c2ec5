"""The page of training methods. No browser."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from fixture_rows import scaling_rows, training_rows
from pages import cells, page, tables, texts
from streamlit.testing.v1 import AppTest

from breakeven.errors import Status
from breakeven.grid import cells as grid
from breakeven.rows import TrainingRow, write_parquet

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ["cpu_2x1", "cpu_2x1_1000mbit", "cpu_2x1_200mbit", "cpu_4x1"]


def shown(folder: Path, rows: list[TrainingRow]) -> AppTest:
    """Open the page on training rows only."""
    write_parquet(rows, TrainingRow, folder / "training.parquet")
    return page("Scaling")


def test_without_a_distributed_training_the_page_says_how_to_make_one(no_results: Path) -> None:
    app = shown(no_results, [row for row in training_rows() if row.training_method == "single_device"])
    assert not app.exception
    assert "ddp@cpu_2x1" in texts(app.info)
    (command,) = (code.value for code in app.code)
    config = ROOT / command.split()[-1]
    assert {"single_device@cpu_1", "fsdp@cpu_2x1_200mbit"} <= set(grid.read_config(config)["training_cells"])


def test_what_wins_is_told_by_size_and_profile(with_scaling: Path) -> None:
    app = page("Scaling")
    assert not app.exception
    wins, _ = tables(app)
    assert wins.columns.tolist() == ["Task", "Parameters", *PROFILES]
    assert wins["Task"].tolist() == ["mandarin_initials", "fashion_mnist", "movie_sentiment"]
    assert wins["Parameters"].tolist() == ["0.15 M", "2.8 M", "11 M"]
    assert wins["cpu_2x1_200mbit"].iloc[2] == "single_device"
    slow = cells(app, 0, "movie_sentiment")["cpu_2x1_200mbit"]
    assert "no distributed training method beats one device" in slow["why"]
    tied = cells(app, 0, "mandarin_initials")["cpu_2x1"]
    assert " = " in tied["text"]
    assert "pipeline_parallel" not in tied["text"]  # contended
    assert "diloco" not in "".join(wins[PROFILES].to_numpy().ravel())  # below the gate


def test_every_chart_is_drawn_and_each_link_is_told_in_words(with_scaling: Path) -> None:
    app = page("Scaling")
    assert len(app.get("vega_lite_chart")) == 6
    for link in ("200 Mbit/s", "1,000 Mbit/s", "unthrottled"):
        assert f"- **{link}:**" in texts(app.markdown)
    assert "No run here has a throttled link" not in texts(app.caption)
    app.segmented_control(key="scaling_shape").set_value("4 × 1 thread").run()
    assert not app.exception
    assert "- **200 Mbit/s:**" not in texts(app.markdown)
    assert "No run here has a throttled link" in texts(app.caption)


def test_a_missed_target_is_named_and_not_drawn(with_scaling: Path) -> None:
    app = page("Scaling")
    assert "Missed the target" not in texts(app.caption)
    app.segmented_control(key="scaling_by").set_value("time_to_target_s").run()
    assert not app.exception
    assert "Missed the target, and therefore in no chart of the time: ddp@cpu\\_2x1" in texts(app.caption)
    _, rows = tables(app)
    assert rows.set_index("Trained as").loc["ddp@cpu_2x1", "To target"] == "missed"
    seconds = [float(point["seconds"]) for point in points(app, 1) if point["trained_as"].startswith("diloco")]
    assert not seconds


def points(app: AppTest, chart: int) -> list[dict]:
    """Return all points of a chart."""
    element = app.get("vega_lite_chart")[chart].proto
    frames = [pa.ipc.open_stream(data.data.data).read_pandas() for data in element.datasets]
    return pd.concat(frames).to_dict("records")


def test_a_board_is_chosen_where_its_key_differs(no_results: Path) -> None:
    other = scaling_rows()
    for row in other:
        row.seed, row.cell_id = 1, f"seed 1 {row.cell_id}"
    app = shown(no_results, scaling_rows() + other)
    assert not app.exception
    boards = app.selectbox(key="scaling_board_fashion_mnist")
    assert boards.options == [f"seed {seed} · accelerator {kind}" for kind in ("cpu", "cuda") for seed in (0, 1)]
    wins, rows = tables(app)
    assert len(wins) == 6
    assert cells_below(app, 0) >= {"seed 0", "seed 1"}
    assert len(rows) == 1 + 9 * 4
    boards.set_value(2).run()  # the profile that this machine lacks
    assert not app.exception
    assert tables(app)[1]["Trained as"].tolist() == ["single_device@cuda_1"]


def cells_below(app: AppTest, table: int) -> set[str]:
    """Return the lines below the first cells of a table."""
    data = json.loads(app.get("bidi_component")[table].proto.json)
    return {row["cells"][0].get("below", "") for row in data["rows"]}


def test_a_board_of_failures_only_is_gaps(no_results: Path) -> None:
    rows = scaling_rows()
    for row in rows:
        row.status, row.reason = Status.METHOD_ERROR, "it broke"
        row.train_time_s = row.time_to_target_s = row.world_size = row.quality = row.parameters = None
        row.communicated_bytes = row.rank_memory_above_baseline_bytes = None
    app = shown(no_results, rows)
    assert not app.exception
    wins, listed = tables(app)
    assert (wins[PROFILES] == "–").all(axis=None)
    assert len(listed) == 37
    assert "it broke" in texts(app.markdown)
    assert "ddp: method error" in cells(app, 0, "fashion_mnist")["cpu_2x1"]["why"]


@pytest.mark.parametrize("field", ["usd_per_hour", "communicated_bytes", "rank_memory_above_baseline_bytes"])
def test_without_a_figure_its_chart_says_so(no_results: Path, field: str) -> None:
    rows = scaling_rows()
    for row in rows:
        setattr(row, field, None)
    app = shown(no_results, rows)
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 5
    assert len(app.info) == 1


def test_without_a_single_device_run_nothing_wins(no_results: Path) -> None:
    app = shown(no_results, [row for row in scaling_rows() if row.training_method != "single_device"])
    assert not app.exception
    wins, _ = tables(app)
    assert (wins[PROFILES] == "–").all(axis=None)
    assert "no single-device run to compare with" in texts(app.info)


def test_a_training_method_says_how_it_splits(with_scaling: Path) -> None:
    text = texts(page("Method", method="fsdp").markdown)
    assert "**Split of the samples:** by rows" in text
    assert "**Split of the model:** by rows of each tensor" in text
    assert "Split of" not in texts(page("Method", method="low_rank").markdown)


def test_the_training_board_has_link_bytes_and_memory(with_scaling: Path) -> None:
    app = page("Scaling")
    line = cells(app, 1, "fsdp@cpu_2x1_200mbit")
    assert line["Link"]["text"] == "200 Mbit/s"
    assert line["Sent"]["text"] == "62,720 MB"
    assert line["Memory per process"]["text"] == "67.2 MB"
    assert cells(app, 1, "single_device@cpu_1")["Link"]["text"] == "–"
