"""SIGKILL to any process of a run, at random points; the same command again completes the board."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from checkout import ROOT, make_checkout
from killing import Killer

from breakeven.errors import Status
from breakeven.rows import InferenceRow, TrainingRow, read_rows

pytestmark = pytest.mark.slow
SLOW = "planted_initials-cause=slow"
GRID = {
    "tasks": [SLOW],
    "training_cells": ["single_device@cpu_1", "ddp@cpu_2x1"],
    "trained_as": "single_device@cpu_1",
    "chains": ["planted_step"],
    "hardware": ["cpu_1"],
    "mode": "brief",
    "results": "results",
}
STEP_S = 0.05  # the least time of a step of the slow training
PATIENCE_S = 600  # for processes to end after their parent


@dataclass
class LocalKiller(Killer):
    """Kills processes of runs on this machine."""

    def processes(self, driver: psutil.Process) -> dict[str, list[psutil.Process]]:
        """Find the processes of a run, see `Killer`."""
        children = driver.children(recursive=True)
        servers = [p for p in driver.children() if "forkserver" in p.cmdline()]
        lines = [p for p in children if p.cmdline()[1:3] == ["-m", "breakeven"]]
        jobs = [job for server in servers for job in server.children()]
        stages = [stage for job in jobs for stage in job.children()]
        return {
            "snakemake": [driver],
            "line": [line for line in lines if line not in servers],
            "job": jobs,
            "stage": stages,
            "rank": [rank for stage in stages for rank in stage.children()],
        }

    def kill(self, driver: psutil.Process) -> str | None:
        """Kill a process. If it is Snakemake, check that all other processes end too, whatever their work."""
        everyone = driver.children(recursive=True)
        part = super().kill(driver)
        if part == "snakemake":
            _, left = psutil.wait_procs(everyone, PATIENCE_S)
            assert not left
        return part


@pytest.mark.parametrize(
    ("seed", "seeds", "kills"),
    [
        pytest.param(1, [0, 1], 6, id="some"),
        pytest.param(2, [0, 1, 2], 20, id="many", marks=pytest.mark.exhaustive),
    ],
)
def test_a_board_is_complete_whatever_was_killed(seed: int, seeds: list[int], kills: int, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    (checkout.path / "units").rename(checkout.path / "unused")
    (checkout.path / "units").symlink_to(ROOT / "tests/planted")
    (checkout.path / "grid.yaml").write_text(yaml.safe_dump({**GRID, "seeds": seeds}))
    command = checkout.command("--configfile", "grid.yaml")
    killer = LocalKiller(checkout.path, command, checkout.environment, random.Random(seed))
    killer.run(kills)
    print("killed", dict(killer.killed))
    assert killer.killed.total() == kills

    done = checkout.snakemake("--configfile", "grid.yaml")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    trained = read_rows(killer.results / "training.parquet", TrainingRow)
    measured = read_rows(killer.results / "inference.parquet", InferenceRow)
    assert sorted((row.trained_as, row.seed) for row in trained) == [
        (t, s) for t in sorted(GRID["training_cells"]) for s in seeds
    ]
    assert sorted((row.chain, row.seed) for row in measured) == [
        (chain, s) for chain in ("fp32", "planted_step") for s in seeds for _ in ("single_stream", "offline")
    ]
    for rows in (trained, measured):
        assert len({row.cell_id for row in rows}) == len(rows)
        assert {row.status for row in rows} == {Status.OK}, [row.reason for row in rows]
    print("parts", [row.resumed_parts for row in trained], "attempts", [row.attempt for row in trained])
    assert max(row.resumed_parts for row in trained) > 1
    for row in trained:  # the clock counts all steps: each takes at least STEP_S
        assert row.samples_per_s * row.train_time_s == pytest.approx(row.steps * row.global_batch_size)
        assert row.train_time_s >= row.steps * STEP_S
    assert not [path for path in killer.results.rglob(".*") if path.name not in (".lock", ".snakemake_timestamp")]
    assert not list(killer.results.rglob("*.checkpoint"))
