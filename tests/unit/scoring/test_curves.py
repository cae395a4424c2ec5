"""Chains that differ in one value make a curve; other chains make none."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rows import FAILED, board, cell

from breakeven.rows import InferenceRow
from breakeven.scoring.curves import curves


def pruned(sparsity: float, tuned: float = 0.25, then: str = "", **changes: Any) -> InferenceRow:
    """Make a row of magnitude pruning, spelled as the engine does: default values are left out."""
    step = "magnitude_pruning" + (f"-sparsity={sparsity}" if sparsity != 0.8 else "")
    step += f"-fine_tuning={tuned}" if tuned != 0.25 else ""
    steps = [[step, {"fine_tuning": tuned, "sparsity": sparsity}], *([[then, {"samples": 256}]] if then else [])]
    chain = "+".join([step, *([then] if then else [])])
    own = {"method_params": json.dumps(steps), "nonzero_parameters": round(1000 * (1 - sparsity))}
    return cell(chain, 5.0, 2.0, **{**own, **changes})


def found(folder: Path, *rows: InferenceRow) -> dict[tuple[str, str], list[Any]]:
    reference = cell("fp32", 10.0, 1.0, nonzero_parameters=1000)
    return {
        (curve.chain, curve.parameter): list(curve.rows["value"])
        for curve in curves(board(folder, *rows, reference=reference))
    }


NAME = ("magnitude_pruning-sparsity=…", "sparsity")


def test_rows_of_one_parameter_are_a_curve_in_order_of_its_values(tmp_path: Path) -> None:
    rows = pruned(0.9375), pruned(0.5), pruned(0.8), pruned(0.75)
    assert found(tmp_path, *rows) == {NAME: [0.5, 0.75, 0.8, 0.9375]}
    (curve,) = curves(board(tmp_path, *rows, reference=cell("fp32", 10.0, 1.0, nonzero_parameters=1000)))
    assert curve.step == "magnitude_pruning"
    assert list(curve.rows["compression_ratio"]) == [2, 4, 5, 1000 / 62]
    assert curve.origin is not None
    assert curve.origin["chain"] == "fp32"


def test_one_row_is_no_curve_and_two_are(tmp_path: Path) -> None:
    assert found(tmp_path, pruned(0.5)) == {}
    assert found(tmp_path, pruned(0.5), pruned(0.8)) == {NAME: [0.5, 0.8]}


def test_rows_that_differ_in_two_values_share_no_curve(tmp_path: Path) -> None:
    assert found(tmp_path, pruned(0.5), pruned(0.75, tuned=0.0)) == {}
    grid = pruned(0.5), pruned(0.75), pruned(0.5, tuned=0.0), pruned(0.75, tuned=0.0)
    assert found(tmp_path, *grid) == {
        ("magnitude_pruning-sparsity=0.5-fine_tuning=…", "fine_tuning"): [0.0, 0.25],
        ("magnitude_pruning-sparsity=0.75-fine_tuning=…", "fine_tuning"): [0.0, 0.25],
        NAME: [0.5, 0.75],
        ("magnitude_pruning-sparsity=…-fine_tuning=0.0", "sparsity"): [0.5, 0.75],
    }


def test_rows_with_other_steps_beside_are_other_curves(tmp_path: Path) -> None:
    rows = pruned(0.5), pruned(0.75), pruned(0.5, then="int8_static"), pruned(0.75, then="int8_static")
    assert found(tmp_path, *rows) == {
        NAME: [0.5, 0.75],
        ("magnitude_pruning-sparsity=…+int8_static", "sparsity"): [0.5, 0.75],
    }


def test_boards_have_curves_of_their_own(tmp_path: Path) -> None:
    there = {"scenario": "offline", "batch_size": 32}
    assert found(tmp_path, pruned(0.5), pruned(0.75, **there)) == {}
    rows = board(tmp_path, pruned(0.5), pruned(0.75), pruned(0.5, **there), pruned(0.75, **there))
    by_scenario = {curve.rows["scenario"].iloc[0]: curve for curve in curves(rows)}
    assert set(by_scenario) == {"single_stream", "offline"}
    assert by_scenario["offline"].origin is None  # the reference was not measured there
    twice = pd.concat([rows.assign(source="here"), rows.assign(source="there")])
    assert len(curves(twice)) == 4


def test_the_origin_is_the_uncompressed_model_in_the_same_runtime(tmp_path: Path) -> None:
    served = {"runtime": "onnxruntime"}
    alone = cell("onnxruntime", 2.0, 5.0, method="fp32", **served)
    (curve,) = curves(board(tmp_path, alone, pruned(0.5, **served), pruned(0.75, **served)))
    assert curve.origin is not None
    assert curve.origin["chain"] == "onnxruntime"


def test_a_failed_point_stays_on_its_curve_as_a_gap(tmp_path: Path) -> None:
    rows = pruned(0.5), pruned(0.99, **FAILED)
    (curve,) = curves(board(tmp_path, *rows))
    assert list(curve.rows["status"]) == ["ok", "out_of_memory"]


def test_choices_make_no_curve(tmp_path: Path) -> None:
    def quantised(calibration: str) -> InferenceRow:
        steps = [["onnxruntime", {}], [f"int8_static-calibration={calibration}", {"calibration": calibration}]]
        return cell(f"int8_static-calibration={calibration}", 5.0, 2.0, method_params=json.dumps(steps))

    rows = quantised("minmax"), quantised("entropy")
    assert found(tmp_path, *rows) == {}


def test_nothing_has_no_curves(tmp_path: Path) -> None:
    assert curves(board(tmp_path).iloc[:0]) == []
