"""SIGKILL at random points of a run on the cluster, on the login node or a job's node; a rerun completes the board."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from cluster import Cluster
from killing import Killer
from test_cluster import TASK, TRAININGS, login

from breakeven.errors import Status

KILLS = 20
SEEDS = list(range(6))
TRAINED_BY = ["single_device@planted_node", "ddp@planted_two_ranks"]


@dataclass
class ClusterKiller(Killer):
    """Kills processes of runs on the cluster. `job` is the shell that SLURM starts; `line` is the rule's command."""

    def processes(self, driver: psutil.Process) -> dict[str, list[psutil.Process]]:
        """Find the processes of a run, see `Killer`."""
        found: dict[str, list[psutil.Process]] = {"snakemake": [driver], "job": [], "line": [], "stage": [], "rank": []}
        trains = {process.pid: process for process in psutil.process_iter() if self._trains(process)}
        for process in trains.values():
            with suppress(psutil.Error):
                above = process.parents()
                depth = sum(parent.pid in trains for parent in above)
                found[("line", "stage", "rank")[min(depth, 2)]].append(process)
                if depth == 0:
                    found["job"] += [parent for parent in above if parent.name() == "slurm_script"]
        return found

    def _trains(self, process: psutil.Process) -> bool:
        try:
            return process.cwd() == str(self.path) and process.cmdline()[1:4] == ["-m", "breakeven", "train"]
        except psutil.Error:
            return False


@pytest.mark.exhaustive
def test_a_board_is_complete_whatever_was_killed(cluster: Cluster, tmp_path: Path) -> None:
    grid = {**TRAININGS, "tasks": [f"{TASK}-cause=slow"], "seeds": SEEDS, "training_cells": TRAINED_BY}
    here = login(cluster, tmp_path / "checkout", grid)
    killer = ClusterKiller(here.path, here.command(), here.environment, random.Random(4))
    killer.run(KILLS)
    print("killed", dict(killer.killed))
    assert killer.killed.total() == KILLS

    done = here.snakemake()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    rows = here.trained()
    print("parts", [row.resumed_parts for row in rows], "attempts", [row.attempt for row in rows])
    assert sorted((row.trained_as, row.seed) for row in rows) == [(t, s) for t in sorted(TRAINED_BY) for s in SEEDS]
    assert {row.status for row in rows} == {Status.OK}
    assert max(row.resumed_parts for row in rows) > 1
    assert not here.leftovers()
    assert not list(here.results.rglob("*.checkpoint"))
