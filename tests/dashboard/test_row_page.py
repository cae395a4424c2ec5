"""The page of a row, and the protocol page. No browser."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from fixture_rows import inference_rows, write_results
from pages import page, tables, texts

from breakeven import protocol
from breakeven import rows as record
from breakeven.errors import Status
from breakeven.grid import cells
from breakeven.rows import InferenceRow, TrainingRow, write_parquet
from breakeven.scoring.wording import LABELS, STATUSES

ROW = {"cell": "fashion_mnist/int8_static", "scenario": "single_stream"}


def fields_shown(app: object) -> pd.Series:
    found = pd.concat(tables(app))  # type: ignore[arg-type]
    return found.set_index("Field")["Value"]


def test_a_deep_link_shows_everything_recorded(results: Path) -> None:
    app = page("Row", **ROW)
    assert not app.exception
    assert app.subheader[0].value == "int8\\_static"
    shown = fields_shown(app)
    assert shown["latency_p50_ms"] == "0.837838"
    assert shown["git_commit"] == "0123456789abcdef0123456789abcdef01234567"
    assert shown["contended"] == "no"


@pytest.mark.parametrize("kind", [InferenceRow, TrainingRow])
def test_every_field_is_shown_once(results: Path, kind: type[record.Row]) -> None:
    app = page("Row", **(ROW if kind is InferenceRow else {"cell": "training/ddp@cpu_2x1"}))
    assert not app.exception
    names = [name for name in fields_shown(app).index if not name.endswith("(derived)")]
    ends = ("_ci_low", "_ci_high")  # shown below the value that they bound
    assert sorted(names) == sorted(
        [field.name for field in fields(kind) if not field.name.endswith(ends)]
        + (["speedup"] if kind is TrainingRow else [])
    )


def test_a_gap_says_why(results: Path) -> None:
    app = page("Row", **ROW)
    assert "needs 662 calls in each process; here 300" in texts(app.caption)
    raw = "".join(element.proto.json for element in app.get("bidi_component"))
    for reason in ("needs 662 calls", "only on CUDA", "run without a scheduler"):
        assert reason in raw


def test_a_row_carries_the_commands_that_measure_it_again(results: Path) -> None:
    verify, again = (code.value for code in page("Row", **ROW).code)
    assert verify == f"breakeven verify fashion_mnist/int8_static --published {results}"
    words = shlex.split(again)
    config = dict(word.split("=", 1) for word in words[4:-1])
    assert config == {
        "tasks": "[fashion_mnist]",
        "seeds": "[0]",
        "training_cells": "[]",
        "trained_as": "single_device@cpu_1",
        "chains": "[int8_static]",
        "hardware": "[cpu_1]",
        "mode": "quick",
        "results": "results/again",
    }


def test_the_command_makes_the_one_cell_and_its_references() -> None:
    from views import commands

    row = pd.Series({"task": "fashion_mnist", "seed": 3, "trained_as": "single_device@cpu_1", "hardware": "cpu_1"})
    row = pd.concat([row, pd.Series({"chain": "channel_pruning-ratio=0.25+int8_static", "mode": "full"})])
    words = shlex.split(commands.rerun(row))
    config = {}
    for word in words[4:-1]:
        key, value = word.split("=", 1)
        config[key] = [part for part in value[1:-1].split(", ") if part] if value[0] == "[" else value
    config["seeds"] = [int(seed) for seed in config["seeds"]]
    found = cells.expand(config, "the command")
    # The command also has the uncompressed model in its runtime, to separate the compression's gain.
    expected = ["fp32", "channel_pruning-ratio=0.25+int8_static", "onnxruntime"]
    assert [str(cell.chain) for cell in found.inference_cells] == expected
    assert not found.training_cells


def test_a_row_says_what_the_compression_adds_in_its_runtime(results: Path) -> None:
    app = page("Row", **ROW)
    assert "In its runtime: 2.85×" in texts(app.markdown)
    assert "model by itself is 2.60× as fast in onnxruntime" in texts(app.markdown)
    assert fields_shown(app)["compression_speedup (derived)"] == "2.84615"
    for other in ("onnxruntime", "fp32", "magnitude_pruning-sparsity=0.8"):
        assert "In its runtime" not in texts(page("Row", cell=f"fashion_mnist/{other}").markdown)


def test_a_training_row_is_run_by_the_workflow(results: Path) -> None:
    (again,) = (code.value for code in page("Row", cell="training/ddp@cpu_2x1").code)
    assert "'training_cells=[ddp@cpu_2x1]' 'chains=[]'" in again


def test_a_failed_row_shows_its_status_and_reason(results: Path) -> None:
    app = page("Row", cell="fashion_mnist/broken", scenario="offline")
    (error,) = app.error
    assert "unsupported" in error.value
    assert "no linear layer" in error.value


def test_the_reference_shows_what_it_came_out_at(results: Path) -> None:
    app = page("Row", cell="fashion_mnist/fp32", scenario="offline")
    assert "1.000× (0.980 – 1.020)" in texts(app.caption)


def test_an_unknown_row_is_named_and_another_can_be_picked(results: Path) -> None:
    app = page("Row", cell="fashion_mnist/gone")
    assert not app.exception
    assert "gone" in app.error[0].value
    box = app.selectbox[0]
    box.set_value(box.options.index("spoken_words · fp32 · cpu_1 · offline · seed 0")).run()
    assert app.query_params["cell"] == "spoken_words/fp32"
    assert app.subheader[0].value == "fp32"


def test_a_cell_of_several_machines_is_told_apart(no_results: Path) -> None:
    rows = inference_rows() + inference_rows()
    for row in rows[len(rows) // 2 :]:
        row.hardware_fingerprint, row.cpu_model = "elsewhere", "Other CPU"
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    for machine, name in (("elsewhere", "Other CPU"), ("fixture", "Fixture CPU")):
        assert fields_shown(page("Row", **ROW, machine=machine))["cpu_model"] == name
    for title in ("Pareto front", "Break-even"):
        assert not page(title).exception


def test_a_link_to_a_published_row_opens_it(results: Path, published: Path) -> None:
    write_results(published)
    app = page("Row", **ROW, source="published")
    assert app.toggle(key="published").value
    assert app.code[0].value == "breakeven verify fashion_mnist/int8_static --published results/published"


@pytest.mark.parametrize("column", ["latency_p99_ms", "energy_j_per_sample", "quality_kept_ci_low", "speedup_ci_low"])
def test_rows_without_a_figure_are_shown(no_results: Path, column: str) -> None:
    rows = inference_rows()
    for row in rows:
        setattr(row, column, None)
        setattr(row, column.replace("low", "high"), None)
    write_parquet(rows, InferenceRow, no_results / "inference.parquet")
    assert not page("Row", **ROW).exception
    assert not page("Leaderboard").exception


def test_the_protocol_explains_every_label_and_status() -> None:
    text = texts(page("Protocol").markdown)
    assert "US$" not in text  # two dollar signs would read as a formula
    for meaning in (*(STATUSES[status] for status in Status), *LABELS.values()):
        assert meaning in text


# constant, another value, text on the page
CONSTANTS = {
    "PROTOCOL_VERSION": (77, "protocol version 77"),
    "BURST_S": (0.123, "about 123 ms"),
    "SCENARIOS": ({"single_stream": 1, "offline": 48}, "batch 48: throughput"),
    "CONTENDED_PERCENT": (6.5, "Above 6.5 % of all cores"),
    "CONTENDED_CORES": (0.75, "above 0.75 of one core"),
    "MODES": ({"brief": protocol.Mode(9, 1.25, 77)}, "*brief*, 9 pairs, at least 1.25 s and 77 calls"),
    "CONFIDENCE": (0.973, "97.3 % confidence"),
    "RESAMPLES": (2345, "2,345 resamples"),
    "SLOW_RESAMPLES": (234, "or 234 where"),
    "GATE": (0.9875, "keeps 98.75 %"),
    "BADGE": (0.9985, "keeps 99.85 %"),
    "SAME": (0.035, "costs over 3.5 % more"),
    "R_MAX": (5.5, "r_max = 5.5"),
    "RAPL": ("joulemeter", "`joulemeter`"),
}


def test_the_protocol_page_has_its_figures_from_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    before = " ".join(texts(page("Protocol").markdown).split())
    for name, (value, _) in CONSTANTS.items():
        monkeypatch.setattr(protocol, name, value)
    after = " ".join(texts(page("Protocol").markdown).split())
    for name, (_, written) in CONSTANTS.items():
        assert written in after, name
        assert written not in before, name
    assert "11 for p50, 64 for p90, 662 for p99" in before
    assert "within 1.25 % of the single-device" in after  # the tolerance of the gate


def test_lengths_and_other_metrics_are_shown_or_said_to_be_none(results: Path) -> None:
    app = page("Row", cell="spoken_words/fp32", scenario="single_stream")
    shown = fields_shown(app)
    assert shown["other_metrics"] == "character error rate 0.063"
    assert shown["length_p50"] == "32.5"
    raw = "".join(element.proto.json for element in app.get("bidi_component"))
    assert "the median of the lengths" in raw
    raw = "".join(element.proto.json for element in page("Row", **ROW).get("bidi_component"))
    assert "all inputs of the task are of one length" in raw
    assert "the task reports no other" in raw
