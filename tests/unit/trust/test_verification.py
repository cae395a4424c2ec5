"""The rows of a published board that are measured again, and their agreement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sound

from breakeven.cli import main
from breakeven.errors import Status, UserError
from breakeven.grid import cells
from breakeven.rows import InferenceRow
from breakeven.trust import verification
from breakeven.trust.verification import INSIDE, OUTSIDE, OVERLAPS, Verdict, choose, configurations

FOLDER = Path("published")
THEN = sound.inference(speedup=2.0, speedup_ci_low=1.9, speedup_ci_high=2.1)
FAILED = sound.inference(**{**sound.NOT_TIMED, **sound.FAILED, "chain": "low_rank", "cell_id": sound.digest("failed")})


def now(speedup: float, half: float = 0.05) -> InferenceRow:
    return replace(THEN, speedup=speedup, speedup_ci_low=speedup - half, speedup_ci_high=speedup + half)


@pytest.mark.parametrize(
    ("speedup", "half", "text", "refuted"),
    [(1.9, 0.05, INSIDE, False), (2.1, 0.05, INSIDE, False), (2.14, 0.05, OVERLAPS, False), (2.2, 0.05, OUTSIDE, True)],
)
def test_a_ratio_is_inside_the_published_interval_or_not(speedup: float, half: float, text: str, refuted: bool) -> None:
    verdict = Verdict(THEN, now(speedup, half))
    assert (verdict.text, verdict.refuted) == (text, refuted)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "no row"),
        (replace(THEN, status=Status.TIMEOUT, reason="too slow: raise it"), "timeout: too slow: raise it"),
    ],
)
def test_what_cannot_be_measured_again_is_refuted(found: InferenceRow | None, said: str) -> None:
    verdict = Verdict(THEN, found)
    assert verdict.refuted
    assert said in verdict.text


def test_a_row_without_an_interval_can_not_be_verified() -> None:
    assert Verdict(replace(THEN, speedup_ci_low=None, speedup_ci_high=None), now(2.0)).refuted


def test_rows_are_chosen_by_chain_or_by_the_beginning_of_their_id() -> None:
    other = sound.inference("low_rank")
    assert choose([THEN, other], [], None, FOLDER) == [THEN, other]
    assert choose([THEN, other], ["low_rank"], None, FOLDER) == [other]
    assert choose([THEN, other], [THEN.cell_id[:6]], None, FOLDER) == [THEN]


@pytest.mark.parametrize(("wanted", "task"), [(["low_rnak"], None), (["int8_static", "x"], None), ([], "elsewhere")])
def test_a_name_that_fits_nothing_is_refused(wanted: list[str], task: str | None) -> None:
    with pytest.raises(UserError, match=r"published/inference\.parquet: no "):
        choose([THEN, sound.inference("low_rank")], wanted, task, FOLDER)


def test_what_failed_is_not_measured_again() -> None:
    assert choose([THEN, FAILED], [], None, FOLDER) == [THEN]
    with pytest.raises(UserError, match=r"did you mean|known: int8_static"):
        choose([THEN, FAILED], ["low_rank"], None, FOLDER)


def test_rows_of_one_model_profile_and_mode_are_one_grid() -> None:
    rows = [
        THEN,
        replace(THEN, scenario="offline"),
        sound.inference("low_rank"),
        replace(THEN, seed=1),
        replace(THEN, mode="full"),
    ]
    configs = list(configurations(rows))
    assert [(c["seeds"], c["mode"], c["chains"]) for c in configs] == [
        ([0], "quick", ["int8_static", "low_rank"]),
        ([1], "quick", ["int8_static"]),
        ([0], "full", ["int8_static"]),
    ]


def test_the_grid_has_the_cell_and_no_training_of_its_own() -> None:
    row = replace(THEN, task="mandarin_initials", trained_as="single_device@cpu_1", hardware="cpu_1")
    (config,) = configurations([row])
    found = cells.expand(config)
    assert {cell.chain for cell in found.inference_cells} == {"fp32", "int8_static", "onnxruntime"}
    assert not found.training_cells


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task_version": 99}, "version 99 of mandarin_initials"),
        ({"protocol_version": 1}, "under protocol 1"),
        ({"hardware": "cuda_1", "accelerator": "cuda"}, "hardware cuda_1: needs 1 CUDA device"),
        ({"task": "no_such_task"}, "unknown task"),
    ],
)
def test_what_this_version_or_machine_cannot_give_is_refused_before_any_work(
    changes: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_run", lambda *_: pytest.fail("work was started"))
    real = {"task": "mandarin_initials", "trained_as": "single_device@cpu_1", "hardware": "cpu_1", "task_version": 1}
    sound.write(tmp_path, replace(THEN, **{**real, **changes}))
    assert main.run(["verify", "--published", str(tmp_path), "--results", str(tmp_path / "again")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
