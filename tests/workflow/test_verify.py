"""`verify` repeats the measurement of a published row from the row's record."""

import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Run

from breakeven.errors import Status
from breakeven.rows import InferenceRow, read_rows


@pytest.mark.slow
def test_a_published_row_is_measured_again(run: Run, tmp_path: Path) -> None:
    again = tmp_path / "again"
    command = [sys.executable, "-m", "breakeven", "verify", "onnxruntime"]
    where = ["--published", str(run.results), "--results", str(again)]
    done = subprocess.run([*command, *where], cwd=ROOT, env=run.checkout.environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: this machine was too busy to repeat its own result
    assert "inside the published interval" in done.stdout
    board = read_rows(run.results / "inference.parquet", InferenceRow)
    published = {
        (row.cell_id, row.scenario, row.quality): row
        for row in board
        if row.chain == "onnxruntime" and row.status == Status.OK
    }
    measured = [row for row in read_rows(again / "inference.parquet", InferenceRow) if row.chain == "onnxruntime"]
    # The same cell is trained again from the same seed to the same quality, and timed anew.
    assert {(row.cell_id, row.scenario, row.quality) for row in measured} == published.keys()
    for row in measured:
        assert row.started_at > published[row.cell_id, row.scenario, row.quality].started_at
