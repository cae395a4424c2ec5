"""The verdict on a row: the gain of a method, without the gain of its runtime."""

from pathlib import Path
from typing import Any

import pytest
from rows import FAILED, board, cell

from breakeven.rows import InferenceRow
from breakeven.scoring import leaderboard
from breakeven.scoring.wording import verdict

SERVED: dict[str, Any] = {"runtime": "onnxruntime"}


def verdicts(folder: Path, *rows: InferenceRow) -> dict[str, tuple[str, str]]:
    ranked = leaderboard.rank(board(folder, *rows))
    return {str(chain): verdict(row) for chain, row in ranked.iterrows()}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("helped: faster", "2.00× (1.90× – 2.10×) over fp32 in eager")),
        ({"disk_bytes": 500}, ("helped: faster, smaller", "its file is 2.00× smaller")),
        ({"packed_bytes": 400}, ("helped: faster, smaller packed", "its file is 2.00× smaller packed")),
        ({"quality": 0.8}, ("below the quality gate", "it keeps 88.9% of the quality")),
        ({"contended": True}, ("not judged", "other programs used the machine")),
        ({"reference_cell_id": "gone"}, ("not judged", "its reference is missing or failed")),
        (FAILED, ("failed", "out_of_memory: [too] large")),
        ({"speedup_ci_low": 0.9}, ("no gain", "no difference beyond doubt")),
        ({"speedup_ci_low": None, "speedup_ci_high": None}, ("not judged", "without an interval")),
        ({"speedup": 0.5, "speedup_ci_low": 0.4, "speedup_ci_high": 0.6}, ("no gain", "0.50× (0.40× – 0.60×)")),
        (
            {"speedup": 0.5, "speedup_ci_low": 0.4, "speedup_ci_high": 0.6, "disk_bytes": 250},
            ("helped: slower, smaller", "its file is 4.00× smaller"),
        ),
        ({"disk_bytes": 990, "speedup_ci_low": 0.9}, ("no gain", "no difference beyond doubt")),  # within 2 %: a tie
    ],
)
def test_a_verdict_says_why(tmp_path: Path, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    row = cell("a", 5.0, **{"speedup": 2.0, **changes})
    word, why = verdicts(tmp_path, row)["a"]
    assert word == expected[0]
    assert expected[1] in why


def test_what_a_runtime_gives_is_not_the_compressions(tmp_path: Path) -> None:
    alone = cell("onnxruntime", 2.0, 4.0, method="fp32", **SERVED)
    found = verdicts(tmp_path, alone, cell("same", 2.0, 4.1, **SERVED), cell("better", 1.0, 8.0, **SERVED))
    assert found["onnxruntime"] == ("helped: faster", "4.00× (3.80× – 4.20×) over fp32 in eager")
    assert found["same"][0] == "no gain"
    assert found["better"][0] == "helped: faster"
    assert "over fp32 in onnxruntime" in found["better"][1]
    assert found["fp32"][0] == "the reference"
    (unknown,) = [v for k, v in verdicts(tmp_path, cell("same", 2.0, 4.1, **SERVED)).items() if k == "same"]
    assert unknown == ("not judged", "fp32 in onnxruntime was not measured on this board")
