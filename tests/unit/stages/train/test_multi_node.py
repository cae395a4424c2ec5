"""The ranks of a multi-node training meet, agree, and learn of the failure of another rank."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from unittest import mock

import pytest
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from torch import distributed

from breakeven.errors import CellFailure, FinalFailure
from breakeven.jobs.supervision import Attempt
from breakeven.machine import limits, place, provenance
from breakeven.protocol import ESTIMATE, NONE, RAPL
from breakeven.stages.train import multi_node
from breakeven.stages.train.multi_node import Peers, Spent
from breakeven.units import registry

TWO = registry.hardware("cpu_2nodes")


@dataclass(frozen=True)
class Rank:
    """The work of one rank among its peers, with patches that simulate another node."""

    work: Callable[[Peers], object]
    node: dict[str, object]


def variables(rank: int) -> dict[str, str]:
    step = {"SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": str(rank), "SLURM_LOCALID": "0"}
    return {**step, "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURMD_NODENAME": f"n{rank + 1}"}


def join(number: int, rank: Rank, port: int, pipe: Connection) -> None:
    found = {**variables(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    os.environ.update(found)
    with ExitStack() as stack:
        for name, value in rank.node.items():
            owner = limits if name == "missing" else provenance
            stack.enter_context(mock.patch.object(owner, name, lambda *_, value=value: value))
        try:
            with multi_node.met(TWO, Attempt()) as peers:
                said = rank.work(peers)
        except CellFailure as failure:
            said = (failure.status, failure.reason, isinstance(failure, FinalFailure))
    pipe.send(said)


def meet(*ranks: Rank) -> list[object]:
    """Return the final word of each of the two ranks; None for a rank that died."""
    context, port = multiprocessing.get_context("fork"), find_free_network_port()
    pipes = [context.Pipe(duplex=False) for _ in ranks]
    processes = [
        context.Process(target=join, args=(number, rank, port, theirs))
        for number, (rank, (_, theirs)) in enumerate(zip(ranks, pipes, strict=True))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [ours.recv() if ours.poll() else None for ours, _ in pipes]


def train(_: Peers) -> None:
    """Train for ever."""
    while True:
        distributed.all_reduce(torch.zeros(1))


def starve(_: Peers) -> None:
    distributed.all_reduce(torch.zeros(1))
    raise MemoryError("planted")


def die(_: Peers) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def part(spent: Spent) -> Callable[[Peers], Spent]:
    return lambda peers: peers.part(spent)


@pytest.mark.parametrize(
    ("other", "whole"),
    [
        (Spent(ESTIMATE, 3.0, 7.0), Spent(ESTIMATE, 5.0, 7.0)),
        (Spent(RAPL, 3.0, 0.0), Spent(NONE, None, 1.0)),
        (Spent(ESTIMATE, None, 0.0), Spent(NONE, None, 1.0)),
    ],
)
def test_the_first_hears_what_all_nodes_took(other: Spent, whole: Spent) -> None:
    own = Spent(ESTIMATE, 2.0, 1.0)
    assert meet(Rank(part(own), {}), Rank(part(other), {})) == [whole, other]


@pytest.mark.parametrize("lacking", [0, 1])
def test_what_one_node_lacks_all_lack(lacking: int) -> None:
    ranks = [Rank(train, {"missing": "needs more: use more"} if rank == lacking else {}) for rank in range(2)]
    assert meet(*ranks) == [("no_hardware", f"n{lacking + 1}: needs more: use more", False)] * 2


def test_nodes_that_differ_train_nothing_together() -> None:
    ranks = [Rank(train, {"hardware_fingerprint": "abc"}), Rank(train, {"hardware_fingerprint": "def"})]
    (status, reason, _), other = meet(*ranks)
    assert (status, reason, _) == other
    assert status == "no_hardware"
    assert "(n1 is abc, n2 is def): use slurm.constraint" in reason


@pytest.mark.parametrize("starved", [0, 1])
def test_what_failed_first_is_what_all_say(starved: int) -> None:
    said = meet(*(Rank(starve if rank == starved else train, {}) for rank in range(2)))
    reason = (
        f"rank {starved} on n{starved + 1}: planted: use a profile with more memory_gib, or a smaller model or batch"
    )
    expected = ("out_of_memory", reason, False)
    assert said[starved] == expected
    # a rank that asks after the store has ended refers to rank 0
    assert said[1 - starved] in (expected, ("infra_error", "rank 0 has ended: see what it says in the log", True))


def test_a_rank_that_dies_is_missed() -> None:
    (status, reason, _), dead = meet(Rank(train, {}), Rank(die, {}))
    assert dead is None
    assert status == "infra_error"
    assert reason.startswith("rank 0 on n1: lost another rank (")


def test_a_profile_of_several_nodes_where_srun_has_started_no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.missing(TWO) == (
        "needs 2 nodes, and 1 task(s) of srun on each:"
        " run with --workflow-profile workflow/profiles/slurm, on a cluster that has them"
    )
    for name, value in variables(1).items():
        monkeypatch.setenv(name, value)
    assert place.place() == place.Place(nodes=2, ranks=2, rank=1, local_rank=0, node="n2")
    assert limits.missing(TWO) is None
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert "needs 2 nodes" in str(limits.missing(TWO))
