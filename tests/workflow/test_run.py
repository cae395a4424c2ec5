"""A real run on real data: killed and resumed, it is complete, timed jobs ran alone, and a rerun does no extra work."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from checkout import ROOT, UNCHANGED, Run

from breakeven.cli import main
from breakeven.errors import Status
from breakeven.files import read_json
from breakeven.grid import cells
from breakeven.protocol import MODES
from breakeven.rows import InferenceRow, TrainingRow, read_rows

pytestmark = pytest.mark.slow
GRID = ("--configfile", "grid.yaml")
SCENARIOS = 2
QUICK = MODES["quick"]


def rows(run: Run, chain: str, hardware: str = "cpu_1") -> list[InferenceRow]:
    board = read_rows(run.results / "inference.parquet", InferenceRow)
    return [row for row in board if (row.chain, row.hardware) == (chain, hardware)]


def test_it_ends_well(run: Run) -> None:
    assert run.finished.returncode == 0, run.finished.stdout[-3000:] + run.finished.stderr[-3000:]


def test_it_went_on_where_it_was(run: Run) -> None:
    record = run.results / "models/mandarin_initials/single_device@cpu_1/seed=0/artifact.json"
    assert record.stat().st_mtime_ns == run.model_at_kill


def test_nothing_half_written_is_left(run: Run) -> None:
    assert not [path for path in run.results.rglob(".*") if path.name not in (".lock", ".snakemake_timestamp")]


def test_the_boards_hold_a_row_for_every_cell(run: Run) -> None:
    board = read_rows(run.results / "inference.parquet", InferenceRow)
    assert len(board) == len({row.cell_id for row in board}) == 5 * 2 * SCENARIOS
    assert len(read_rows(run.results / "training.parquet", TrainingRow)) == 1


@pytest.mark.parametrize("chain", ["fp32", "onnxruntime", "int8_static", "unchanged"])
def test_measured_rows_are_complete(run: Run, chain: str) -> None:
    for row in rows(run, chain):
        assert row.status == Status.OK, row.reason
        assert 0.5 < row.quality <= 1
        assert row.quality_ci_low <= row.quality <= row.quality_ci_high
        assert row.batch_size > 1 or row.latency_p90_ms is not None
        assert 0 < row.latency_p50_ms <= (row.latency_p90_ms or math.inf)
        assert row.processes == QUICK.pairs
        assert row.timed_calls >= QUICK.pairs * (QUICK.calls if row.batch_size == 1 else QUICK.batch_calls)
        assert row.timed_s >= QUICK.pairs * QUICK.seconds
        assert row.speedup_ci_low <= row.speedup <= row.speedup_ci_high
        assert row.throughput_samples_per_s > 0
        assert row.memory_above_baseline_bytes < row.peak_memory_bytes
        assert row.parameters > 0
        assert row.disk_bytes > 0
        assert row.train_time_s > 0
        assert row.attempt == 1
        for name in ("cpu_model", "cores", "kernel", "python", "torch", "dataset_sha256", "started_at", "finished_at"):
            assert getattr(row, name)


@pytest.mark.parametrize("chain", ["fp32", "onnxruntime", "int8_static", "unchanged"])
def test_measured_rows_say_what_was_evaluated_and_what_it_takes(run: Run, chain: str) -> None:
    for row in rows(run, chain):
        assert row.quality_kept_ci_low <= row.quality / row.reference_quality <= row.quality_kept_ci_high
        evaluation = read_json(
            run.results / f"evaluations/{row.task}/{row.trained_as}/seed=0/{chain}@cpu/evaluation.json"
        )
        assert row.outputs_sha256 == evaluation["outputs_sha256"]
        assert row.artifact_sha256 == evaluation["artifact_sha256"]
        assert 0 < row.nonzero_flops <= row.flops
        assert row.flops == rows(run, "fp32")[0].flops  # none of these chains removes a layer or a channel
        assert row.energy_method in ("rapl", "tdp_estimate")  # the profile states its watts
        if row.energy_method == "tdp_estimate":  # the profile's watts for slightly more than the time of a sample
            per_sample = row.watts * row.latency_mean_ms / 1e3 / row.batch_size
            assert per_sample < row.energy_j_per_sample
        assert row.energy_gain_ci_low <= row.energy_gain <= row.energy_gain_ci_high


def test_the_reference_keeps_all_of_its_quality(run: Run) -> None:
    for row in rows(run, "fp32"):
        assert (row.quality_kept_ci_low, row.quality_kept_ci_high) == (1.0, 1.0)


def test_every_row_names_the_config_that_asked_for_it(run: Run) -> None:
    default = cells.read_config(ROOT / "workflow/config/default.yaml")
    asked = {**default, **cells.read_config(run.checkout.path / "grid.yaml")}  # as Snakemake merges the two files
    boards = [
        *read_rows(run.results / "inference.parquet", InferenceRow),
        *read_rows(run.results / "training.parquet", TrainingRow),
    ]
    assert {row.config_sha256 for row in boards} == {expected_sha256(asked)}


def expected_sha256(config: dict) -> str:
    """Hash the config's keys that affect results. `expand` cannot do it: this process lacks the checkout's units."""
    asked = {key: value for key, value in config.items() if key not in ("results", "bundle_min")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def test_the_training_row_is_complete(run: Run) -> None:
    (row,) = read_rows(run.results / "training.parquet", TrainingRow)
    assert (row.status, row.attempt) == (Status.OK, 1)
    assert row.energy_method in ("rapl", "tdp_estimate")
    assert row.train_energy_j > 0
    assert row.quality_ci_low <= row.quality <= row.quality_ci_high


def test_a_cell_points_at_its_reference(run: Run) -> None:
    for row in rows(run, "int8_static"):
        (reference,) = [r for r in rows(run, "fp32") if r.cell_id == row.reference_cell_id]
        assert reference.scenario == row.scenario
        assert reference.quality == row.reference_quality


def test_int8_is_smaller(run: Run) -> None:
    assert rows(run, "int8_static")[0].disk_bytes < 0.5 * rows(run, "fp32")[0].disk_bytes


def test_the_same_model_has_the_same_quality(run: Run) -> None:
    assert rows(run, "unchanged")[0].quality == rows(run, "fp32")[0].quality


def test_a_percentile_without_the_calls_for_it_is_a_gap(run: Run) -> None:
    for row in rows(run, "fp32"):
        latencies = pq.read_table(
            run.results / f"cells/{row.task}/{row.trained_as}/seed=0/fp32@cpu_1/latencies.parquet"
        ).to_pandas()
        calls = latencies[(latencies.scenario == row.scenario) & (latencies.served == "cell")].groupby("pair").size()
        assert (row.latency_p99_ms is None) == (calls.min() < 662)


def test_a_failed_cell_is_a_row_with_its_reason(run: Run) -> None:
    for row in rows(run, "broken"):
        assert row.status == Status.METHOD_ERROR
        assert "planted in the test" in row.reason
        assert row.latency_p50_ms is None
    log = run.results / "logs/compress/mandarin_initials/single_device@cpu_1/seed=0/broken.log"
    assert "Traceback" in log.read_text()


def test_a_machine_without_a_gpu_says_so_and_measures_nothing(run: Run) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for row in rows(run, "fp32", "cuda_1"):
        assert row.status == Status.NO_HARDWARE
        assert "CUDA" in row.reason
        assert row.latency_p50_ms is None


def jobs(run: Run) -> Iterator[tuple[Path, bool, datetime, datetime]]:
    for path in run.results.rglob("job.json"):
        job = read_json(path)
        yield path, job["timed"], *map(datetime.fromisoformat, (job["started_at"], job["finished_at"]))


def test_no_job_overlaps_a_timed_one(run: Run) -> None:
    ran = list(jobs(run))
    timed = [job for job in ran if job[1]]
    assert len(timed) == 5 * 2 + 1  # all measurements, and the training for the training board
    for path, _, started, finished in timed:
        beside = [other for other, _, began, ended in ran if other != path and began < finished and started < ended]
        assert not beside, f"{path} beside {beside}"


def test_running_again_runs_nothing(run: Run) -> None:
    assert run.checkout.planned(*GRID) == {}


def test_another_time_limit_reruns_nothing(run: Run) -> None:
    assert run.checkout.planned(*GRID, "--config", "timeout_min=7") == {}


def test_touching_a_method_reruns_nothing(run: Run) -> None:
    (run.checkout.units / "methods/compression/unchanged.py").touch()
    assert run.checkout.planned(*GRID) == {}


def test_editing_a_method_reruns_its_cells_and_nothing_else(run: Run) -> None:
    unit = run.checkout.units / "methods/compression/unchanged.py"
    unit.write_text(UNCHANGED + "# edited\n")
    try:
        expected = {"compress": 1, "evaluate": 2, "measure": 2, "collect": 1}
        assert run.checkout.planned(*GRID) == expected
    finally:
        unit.write_text(UNCHANGED)


def test_the_leaderboard_shows_every_chain(run: Run, capsys: pytest.CaptureFixture) -> None:
    assert main.run(["leaderboard", str(run.results)]) == 0
    printed = capsys.readouterr().out
    for chain in ("fp32", "int8_static", "unchanged", "broken"):
        assert chain in printed


def test_a_changed_model_file_is_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import shutil

    model = tmp_path / "model"
    shutil.copytree(run.results / "models/mandarin_initials/single_device@cpu_1/seed=0", model)
    with (model / "model.pt").open("ab") as file:
        file.write(b"more")
    arguments = (
        f"evaluate --task mandarin_initials --chain fp32 --accelerator cpu --source {model} --output {tmp_path}/out"
    )
    assert main.run(arguments.split()) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert not [line for line in before if "_pytree.py" not in line]  # torch's warnings about torchao's import
    assert error.startswith("breakeven: ") and "sha256" in error
    assert not (tmp_path / "out").exists()
