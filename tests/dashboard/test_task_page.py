"""The page of a task. No browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fixture_rows import inference_rows, training_rows, write_results
from pages import cells, page, tables, texts

from breakeven.grid import cells as grid
from breakeven.rows import InferenceRow, TrainingRow, write_parquet
from breakeven.units import catalogue

ROOT = Path(__file__).resolve().parents[2]


def renamed(name: str, of: str = "spoken_words") -> list[InferenceRow]:
    """Return the made-up rows of a task under another task's name."""
    return [replace(row, task=name) for row in inference_rows() if row.task == of]


def test_all_tasks_are_listed_with_what_their_data_is(results: Path) -> None:
    app = page("Task")
    (table,) = tables(app)
    assert table["Task"].tolist() == catalogue.names("tasks")
    fashion = table.set_index("Task").loc["fashion_mnist"]
    assert fashion["Data"] == ["recorded"]
    assert fashion["To reach"] == "at least 0.88"
    assert (fashion["Reference"], fashion["Helped"]) == ("0.912", "10 of 14")
    assert cells(app, 0, "fashion_mnist")["Reference"]["below"] == "10,000 samples"
    other = table.set_index("Task").loc["movie_sentiment"]
    assert (other["Reference"], other["Helped"]) == ("–", "–")
    assert cells(app, 0, "fashion_mnist")["Task"]["link"] == {"task": "fashion_mnist"}


def test_a_task_says_what_its_data_is_and_how_good_it_is_to_be(results: Path) -> None:
    app = page("Task", task="fashion_mnist")
    assert not app.exception
    assert app.subheader[0].value == "Fashion-MNIST"
    text = texts(app.markdown)
    assert "Which of ten garments does a small grey image show?" in text
    assert "recorded: collected from the world" in text and "vision" in text
    for heading in ("Data", "Split", "Model", "Metric", "Baseline", "Known limits", "Licence of the data"):
        assert f"**{heading}:**" in text
    assert "top1 accuracy, a share from 0 to 1; higher is better; at least 0.88 to reach" in text
    assert "all inputs are of one length" in text
    trainings, parameters, *_ = tables(app)
    assert trainings.iloc[0].tolist() == ["default", "2", "128", "0.01", "0.05", "at least 0.88"]
    assert parameters.set_index("Parameter").loc["network", "Default"] == "test_resnet"


def test_choices_that_change_the_training_have_their_lines(results: Path) -> None:
    trainings, *_ = tables(page("Task", task="movie_sentiment"))
    assert trainings["Recipe"].tolist()[0] == "default"
    assert len(trainings) > 1 and trainings["Recipe"].str.contains("=").sum() == len(trainings) - 1


def test_what_was_measured_is_shown_with_its_verdicts(results: Path) -> None:
    app = page("Task", task="fashion_mnist")
    assert [(card.label, card.value) for card in app.metric] == [
        ("Quality of the reference", "0.912"),
        ("Test samples", "10,000"),
        ("Training time", "82 s"),
        ("Latency of a call, p50", "6.2 ms"),
    ]
    assert "0.906 – 0.918" in texts(app.caption)
    assert len(app.get("vega_lite_chart")) == 1
    rows, trained = tables(app)[2:]
    assert rows.set_index("Chain").loc["int8_static", "Verdict"] == ["helped: faster, smaller"]
    assert rows.set_index("Chain").loc["low_rank", "Verdict"] == ["below the quality gate"]
    assert rows.set_index("Chain").loc["low_rank+int8_dynamic", "Verdict"] == ["failed"]
    assert "Character error rate" not in rows
    assert trained["Trained as"].tolist()[0] == "ddp@cpu_2x1"
    text = texts(app.markdown)
    assert "**Helped:** " in text and "**Did not help:** " in text
    assert "has no linear layer" in text
    app.selectbox(key="task_fashion_mnist_scenario").set_value("offline").run()
    assert "batch 32" in texts(app.caption)


def test_lengths_and_other_metrics_come_from_the_rows(no_results: Path) -> None:
    write_results(no_results, renamed("movie_sentiment"))
    app = page("Task", task="movie_sentiment")
    assert not app.exception
    text = texts(app.markdown)
    assert "in frames: median 32.5, 10th percentile 21, 90th percentile 48, maximum 61" in text
    assert "**Other metrics:** character error rate 0.063" in text
    rows = next(table for table in tables(app) if "Verdict" in table)
    assert rows.set_index("Chain").loc["fp32", "Character error rate"] == "0.063"


def test_a_task_with_other_parameters_is_a_choice(no_results: Path) -> None:
    variant = "fashion_mnist-network=resnet18"
    write_results(no_results, inference_rows() + renamed(variant, "fashion_mnist"))
    app = page("Task", task="fashion_mnist")
    assert app.selectbox(key="task_fashion_mnist_task").options == ["fashion_mnist", variant]


def test_a_task_without_rows_says_how_to_get_some(results: Path) -> None:
    app = page("Task", task="mandarin_initials")
    assert not app.exception
    assert "This task has no rows yet" in texts(app.info)
    (command,) = (code.value for code in app.code)
    assert command == "snakemake --cores all --config 'tasks=[mandarin_initials]' results=results/mandarin_initials"
    default = grid.read_config(ROOT / "workflow" / "config" / "default.yaml")
    assert grid.expand(
        default | {"tasks": ["mandarin_initials"], "results": "results/mandarin_initials"}, "it"
    ).inference_cells


def test_without_results_a_task_is_still_described(no_results: Path) -> None:
    app = page("Task", task="fashion_mnist")
    assert not app.exception
    assert "**Known limits:**" in texts(app.markdown)
    assert "make run" in texts(app.info)


def test_a_task_that_was_only_trained_shows_that(no_results: Path) -> None:
    write_parquet(training_rows(), TrainingRow, no_results / "training.parquet")
    app = page("Task", task="fashion_mnist")
    assert not app.exception
    assert "No chain was measured on this task" in texts(app.info)
    assert "ddp@cpu_2x1" in tables(app)[-1]["Trained as"].tolist()


def test_a_board_whose_reference_failed_says_so(no_results: Path) -> None:
    rows = [row for row in inference_rows() if row.status != "ok"]
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    app = page("Task", task="fashion_mnist")
    assert not app.exception
    assert "nothing to compare with" in texts(app.info)
    assert "has no linear layer" in texts(app.markdown)


@pytest.mark.parametrize("name", catalogue.names("tasks"))
def test_every_task_has_its_page(results: Path, name: str) -> None:
    app = page("Task", task=name)
    assert not app.exception
    assert not app.error
    assert ("-badge[no clinical claim]" in texts(app.markdown)) == (catalogue.task(name).domain == "medical")


def test_an_unknown_task_is_named_and_another_can_be_picked(results: Path) -> None:
    app = page("Task", task="gone")
    assert "gone" in app.error[0].value
    app.selectbox[0].set_value("fashion_mnist").run()
    assert app.subheader[0].value == "Fashion-MNIST"


@pytest.mark.parametrize("title", ["Row", "Leaderboard"])
def test_pages_of_rows_link_to_their_task(results: Path, title: str) -> None:
    app = page(title, **({"cell": "fashion_mnist/int8_static"} if title == "Row" else {}))
    labels = [link.proto.label for link in app.get("page_link")]
    assert "About fashion\\_mnist" in labels
    assert not any("spoken" in label for label in labels)  # this repository has no such task
