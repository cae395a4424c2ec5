"""The boards in the terminal, at any width."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rows import FAILED, board, cell, training, trainings

from breakeven.cli import boards
from breakeven.rows import InferenceRow


def shown(folder: Path, *rows: InferenceRow, width: int = 300) -> list[str]:
    """Render the boards of these rows and the reference; return the lines."""
    board(folder, *rows)
    output = io.StringIO()
    boards.render(folder, Console(file=output, width=width))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return lines


def words(lines: list[str], chain: str) -> list[str]:
    """Return the words of a method's line in the first table."""
    return next(line.split() for line in lines if f" {chain} " in line)


@pytest.mark.parametrize("width", [60, 100, 200])
def test_every_row_is_shown_whole_at_any_width(tmp_path: Path, width: int) -> None:
    trainings(tmp_path, training("single_device", 80.0))
    rows = cell("channel_pruning-ratio=0.5", 5.0, 2.0), cell("broken", None, None, **FAILED)
    text = "\n".join(shown(tmp_path, *rows, width=width))
    for expected in ("channel_pruning-ratio=0.5", "2.00×", "out_of_memory: [too] large", "breakeven dashboard"):
        assert expected in text


def test_nothing_is_cut_where_even_the_least_does_not_fit(tmp_path: Path) -> None:
    lines = shown(tmp_path, cell("channel_pruning-ratio=0.5", 5.0, 2.0), width=24)
    assert "2.00×" in "".join(lines)
    assert "channel_pruning-ratio=0.5" in "".join(line[4:16].strip() for line in lines if line[4:16].strip())


def test_shared_ranks_are_marked(tmp_path: Path) -> None:
    lines = shown(tmp_path, cell("a", 5.0, 2.0), cell("b", 5.3, 1.9), cell("c", 7.0, 1.4))
    assert [words(lines, chain)[0] for chain in ("a", "b", "c", "fp32")] == ["1=", "1=", "3", "4"]


def test_what_was_measured_stands_beside_its_interval_and_what_theory_says(tmp_path: Path) -> None:
    energy = {"energy_j_per_sample": 0.002, "energy_method": "tdp_estimate"}
    kept = {"quality_kept_ci_low": 0.98, "quality_kept_ci_high": 1.0}
    lines = shown(tmp_path, cell("a", 5.0, 2.0, **energy, **kept))
    assert " ".join(words(lines, "a")).startswith("1 a 0.9 ★ 100.0% 98.0% – 100.0% 5 2.00× 1.90–2.10 –")
    assert "2 est. " in " ".join(words(lines, "a"))
    assert "gate uncertain" in " ".join(words(lines, "a"))
    assert "est." not in " ".join(words(lines, "fp32"))


def test_what_a_compression_adds_to_its_runtime_is_a_column(tmp_path: Path) -> None:
    served = {"runtime": "onnxruntime"}
    lines = shown(tmp_path, cell("ort", 2.5, 4.0, method="fp32", **served), cell("int8", 1.25, 8.0, **served))
    assert "in its runtime" in lines[2]
    assert " ".join(words(lines, "int8")).startswith("1 int8 0.9 ★ 100.0% 99.9% – 100.1% 1.25 8.00× 7.60–8.40 – 2.00×")
    assert "Packed" in lines[2]


@pytest.mark.parametrize("width", [80, 300])
def test_why_a_row_has_no_rank_is_told_at_any_width(tmp_path: Path, width: int) -> None:
    names = "channel_pruning-ratio=0.5+int8_static", "channel_pruning-ratio=0.25+int8_static"
    lines = shown(
        tmp_path, cell(names[0], 1.0, 9.0, contended=True), cell(names[1], 1.0, 9.0, quality=0.5), width=width
    )
    for name, note in zip(names, ("contended", "open"), strict=True):
        assert any(name in line and note in line for line in lines)
    assert (f"{names[0]}: contended" in lines) == (width == 80)


def test_columns_leave_by_their_priority(tmp_path: Path) -> None:
    wide, narrow = (shown(tmp_path, cell("a", 5.0, 2.0), width=width)[2] for width in (300, 60))
    assert "in theory" in wide
    assert "in theory" not in narrow
    assert "Speed-up" in narrow
    assert "Pays off" in narrow


def test_machines_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    there = {"hardware_fingerprint": "another", "cpu_model": "Xeon"}
    lines = shown(tmp_path, cell("a", 5.0, 2.0), cell("fp32", 9.0, 1.0, **there), cell("b", 5.0, 1.5, **there))
    titles = [line.strip() for line in lines if line.startswith("digits")]
    assert titles == [
        "digits on cpu_1, single stream (batch 1), Xeon (another)",
        "digits on cpu_1, single stream (batch 1), c (h)",
    ]
    assert shown(tmp_path, cell("a", 5.0, 2.0))[0].strip() == "digits on cpu_1, single stream (batch 1)"


def test_over_several_workloads_there_is_an_overall_table(tmp_path: Path) -> None:
    words_task: dict[str, Any] = {"task": "words", "reference_cell_id": "fp32/words"}
    rows = [
        cell("a", 5.0, 4.0),
        cell("a", 5.0, 1.0, **words_task, cell_id="a/words"),
        cell("b", 5.0, None, **words_task, **FAILED, cell_id="b/words"),
        cell("fp32", 9.0, 1.0, **words_task, cell_id="fp32/words"),
    ]
    lines = shown(tmp_path, *rows)
    at = next(i for i, line in enumerate(lines) if line.startswith("Overall"))
    assert lines[at].strip() == "Overall on cpu_1, single stream (batch 1), by speed-up"
    assert "Mean speed-up (2 common)" in lines[at + 2]
    assert [line.split() for line in lines[at + 4 : at + 7]] == [
        ["a", "1.000", "2/2", "2.00×"],
        ["fp32", "0.500", "2/2", "1.00×"],
        ["b", "0.000", "0/2", "–"],
    ]
    assert not any(line.startswith("Overall") for line in shown(tmp_path, cell("a", 5.0, 2.0)))


def test_a_throttled_link_is_told_and_where_there_is_none_no_column(tmp_path: Path) -> None:
    alone, near = training("single_device", 80.0), training("ddp", 50.0, 2)
    trainings(tmp_path, alone, near)
    assert not any(" Link " in line for line in shown(tmp_path))
    trainings(tmp_path, alone, near, training("fsdp", 200.0, 2, network_mbit=200.0))
    lines = shown(tmp_path)
    assert any(" Link " in line for line in lines)
    assert [line.split()[0] for line in lines if "200 Mbit/s" in line] == ["3"]
