"""The answers of `breakeven cheapest`, and the input that it refuses."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rows import FAILED, board, cell

from breakeven.cli import main
from breakeven.cli.cheapest import render_cheapest
from breakeven.errors import UserError
from breakeven.scoring.cheapest import Demand

MADE_AT_ONCE: dict[str, Any] = {"compress_time_s": 0.0, "train_time_s": 100.0}
FP32 = cell("fp32", 10.0, 1.0, **MADE_AT_ONCE)
ONLY: dict[str, str | None] = {"task": None, "hardware": None, "scenario": None}


def said(folder: Path, demand: Demand, gate: float = 0.99, width: int = 200, **limits: float) -> str:
    output = io.StringIO()
    render_cheapest(folder, ONLY, demand, gate, limits, Console(file=output, width=width))
    assert max(map(len, output.getvalue().splitlines())) <= width
    return output.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The original at US$ 10 a million, `half` at 5, `noisy` close to it, and methods that are not eligible."""
    made = {"train_time_s": 100.0}
    board(
        tmp_path,
        cell("half", 5.0, 2.0, **made),
        cell("noisy", 5.0, 1.95, **made),
        cell("slow", 20.0, 1.2, **made),
        cell("coarse", 1.0, 10.0, **made, quality=0.5),
        cell("busy", 1.0, 10.0, **made, contended=True),
        cell("broken", None, None, **FAILED),
        cell("fp32", 10.0, 1.0, **MADE_AT_ONCE, scenario="offline", batch_size=32, throughput_samples_per_s=100.0),
        reference=FP32,
    )
    return tmp_path


def test_the_cheapest_its_price_and_what_it_ties_with_are_named(folder: Path) -> None:
    text = " ".join(said(folder, Demand(1e6)).split())
    assert "digits on cpu_1, single stream (batch 1) Cheapest for 1 M inferences: half," in text
    # training US$ 0.10, making 0.01, a million inferences 5.00; the original 10.00
    assert "half, US$ 5.11 in total, US$ 4.99 less than the original. It pays off after 2 k inferences." in text
    assert "It keeps 100.0% of the quality, at 5 ms a call. The measurement cannot tell it from noisy." in text
    assert "Eligible: quality ≥ 99 % of the reference's, measured without foreign load." in text


def test_the_original_is_named_where_it_is_the_cheapest(folder: Path) -> None:
    text = " ".join(said(folder, Demand(100)).split())
    assert text.count("fp32, US$ 0.101 in total, the original itself") == 2


def test_a_pay_off_that_the_interval_leaves_open_is_told_so(tmp_path: Path) -> None:
    board(tmp_path, cell("faint", 5.0, 1.03, train_time_s=100.0), reference=FP32)
    assert "inferences, if ever: the interval of the speed-up includes never" in " ".join(
        said(tmp_path, Demand(1e9)).split()
    )


@pytest.mark.parametrize(("unit", "expected"), [("hours", "0.0279 device-hours"), ("joules", "402 J")])
def test_other_units(tmp_path: Path, unit: str, expected: str) -> None:
    watts = {"energy_method": "tdp_estimate", "watts": 4.0}
    board(tmp_path, reference=cell("fp32", 10.0, 1.0, **MADE_AT_ONCE, **watts))
    assert f"fp32, {expected} in total" in said(tmp_path, Demand(50, unit=unit))


def test_every_row_that_may_not_be_chosen_says_why(folder: Path) -> None:
    lines = said(folder, Demand(1e6), latency_p50_ms=12.0).splitlines()
    why = {chain: next(line for line in lines if f" {chain} " in line and "–" in line[:3]) for chain in
           ("slow", "coarse", "busy", "broken")}  # fmt: skip
    assert "latency over the limit" in why["slow"]
    assert "below the quality gate" in why["coarse"]
    assert "contended" in why["busy"]
    assert "out_of_memory" in why["broken"]
    assert "broken: out_of_memory: [too] large" in lines


def test_where_none_may_be_chosen_what_excluded_most_is_told_first(folder: Path) -> None:
    text = said(folder, Demand(1e6), latency_p50_ms=0.5)
    assert "No method is eligible. Reasons: latency over the limit (6 of 7), " in text
    assert "Cheapest" not in text.partition("offline")[0]


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_it_fits_any_width_and_names_every_method(folder: Path, width: int) -> None:
    text = said(folder, Demand(1e6), width=width)
    for chain in ("half", "noisy", "coarse", "broken"):
        assert f" {chain} " in text
    assert "below the quality gate" in " ".join(text.split())


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unit": (["--unit", "dollars"], "unit 'dollars': known: hours, joules, usd"),
    "nearly a unit": (["--unit", "jouls"], "did you mean 'joules'?"),
    "no inferences": (["--inferences", "0"], "inferences 0: give a number above 0"),
    "endless inferences": (["--inferences", "inf"], "inferences inf: give a number above 0"),
    "not a number": (["--inferences", "nan"], "inferences nan: give a number above 0"),
    "served": (["--served", "-1"], "served -1: give how many"),
    "per cent": (["--min-quality", "99"], "min-quality 99: give a share"),
    "limit": (["--max-disk-mb", "-1"], "limit of size"),
    "task": (["--task", "digit"], "task 'digit' is not in {}: did you mean 'digits'?"),
    "hardware": (["--hardware", "tpu"], "hardware 'tpu' is not in {}: known: cpu_1"),
    "scenario": (["--scenario", "online"], "scenario 'online' is not in {}"),
    "folder": (["--results", "nowhere"], "nowhere: no results yet"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_makes_no_sense_is_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    arguments, expected = MISTAKES[mistake]
    assert main.run(["cheapest", "--inferences", "1e6", "--results", str(folder), *arguments]) == 2
    assert expected.format(folder) in capsys.readouterr().err


def test_names_that_are_there_but_not_together_are_refused(tmp_path: Path) -> None:
    board(tmp_path, cell("fp32", 10.0, 1.0, task="words", hardware="cpu_2"))
    with pytest.raises(UserError, match="no row has task words and hardware cpu_1"):
        render_cheapest(tmp_path, ONLY | {"task": "words", "hardware": "cpu_1"}, Demand(1), 0.99, {}, Console())


def test_only_what_was_asked_for_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--scenario", "offline", "--task", "digits", "--max-latency-ms", "100"]
    assert main.run(["cheapest", "--inferences", "1e6", "--results", str(folder), *asked]) == 0
    text = capsys.readouterr().out
    assert "offline" in text
    assert "single stream" not in text
    assert "latency ≤ 100 ms" in text
