"""A training over both nodes of the cluster: it trains the same model as one node, or its error names the rank."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
import torch
from cluster import PATIENCE_S, Cluster
from test_cluster import TASK, TRAININGS, login

from breakeven.errors import Status
from breakeven.stages import modules

TWO_NODES, ONE_NODE = "ddp@planted_two_nodes", "ddp@planted_two_ranks"
WAITING, STARVED = f"{TASK}-cause=rank_1_waits_if_told", f"{TASK}-cause=rank_1_memory"


@pytest.fixture(autouse=True)
def both_nodes_are_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranks meet on this machine's loopback device, since the nodes' names do not resolve."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")


def test_two_nodes_train_what_one_node_does(cluster: Cluster, tmp_path: Path) -> None:
    grid = {**TRAININGS, "training_cells": [TWO_NODES, ONE_NODE], "trained_as": TWO_NODES}
    here = login(cluster, tmp_path / "checkout", grid)
    model = here.results / f"models/{TASK}"
    step = here.results / f"artifacts/{TASK}/{TWO_NODES}/seed=0/planted_step"
    targets = [str(path.relative_to(here.path)) for path in (here.results / "training.parquet", step)]
    done = here.snakemake("--jobs", "2", *targets)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    two, one = sorted(here.trained(), key=lambda row: row.hardware)
    assert (two.hardware, one.hardware) == ("planted_two_nodes", "planted_two_ranks")
    for row in (two, one):
        assert (row.status, row.world_size, row.executor) == (Status.OK, 2, "slurm"), row.reason
    assert two.quality == pytest.approx(one.quality, abs=0.01)
    assert two.steps == one.steps > 0
    weights = [modules.load_module(model / each / "seed=0/model.pt").state_dict() for each in (TWO_NODES, ONE_NODE)]
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)
    of_two = [job for job in here.jobs() if "planted_two_nodes" in job["Comment"]]
    nodes = {job["Comment"].split("_")[1]: job["NumNodes"] for job in of_two}
    assert nodes == {"train": "2", "compress": "1"}  # one node compresses a model that two nodes trained
    assert not here.leftovers()


def test_a_rank_that_dies_ends_its_job_and_one_that_fails_is_a_row(cluster: Cluster, tmp_path: Path) -> None:
    grid = {**TRAININGS, "tasks": [WAITING, STARVED], "training_cells": [TWO_NODES], "trained_as": TWO_NODES}
    here = login(cluster, tmp_path / "checkout", grid)
    log = here.results / f"logs/train/{WAITING}/{TWO_NODES}/seed=0.log"
    (here.waits / "a").touch()
    with here.started() as first:
        cluster.until(lambda: not list(here.waits.iterdir()), "rank that waits")
        os.kill(int(re.search(r"^1: at work (\d+)$", log.read_text(), re.MULTILINE)[1]), signal.SIGKILL)
        assert first.wait(PATIENCE_S) == 1
    assert f"log: {log.relative_to(here.path)}\n" in (here.path / "driver.log").read_text()
    assert "the process of rank 1 on n2 was ended from outside (SIGKILL)" in log.read_text()
    assert re.search(r"error: n2: task 1: (Exited with exit code 1|Terminated)", log.read_text())
    assert sorted(job["JobState"] for job in here.jobs()) == ["COMPLETED", "FAILED"]
    again = here.snakemake()
    assert again.returncode == 0, again.stdout[-5000:] + again.stderr[-5000:]
    rows = {row.task: row for row in here.trained()}
    assert {task: row.status for task, row in rows.items()} == {WAITING: Status.OK, STARVED: Status.OUT_OF_MEMORY}
    assert rows[STARVED].reason.startswith("rank 1 on n2: planted in a rank: use a profile with more memory_gib")
    assert len(here.jobs()) == 3
    assert not here.leftovers()
