"""Connects the ranks of a training over several nodes. `srun` has started each rank separately.

Rank 0 records the result of the training. The other ranks report their failures to a torch store, which rank 0 serves
while it lives. The first failure counts, because the other ranks then fail only for lack of the failed one.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pytorch_lightning.plugins.environments import SLURMEnvironment
from torch import distributed
from torch.distributed import DistError, PrefixStore, TCPStore

from breakeven import protocol
from breakeven.components import training_ranks
from breakeven.errors import CellFailure, FinalFailure, UserError, failure_of
from breakeven.hardware import HardwareProfile
from breakeven.jobs.supervision import Attempt
from breakeven.machine import limits, provenance
from breakeven.machine.place import Place, place, spread

LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting")  # messages of gloo


@dataclass(frozen=True)
class Spent:
    """The energy and the foreign load of a training."""

    energy_method: str
    energy_j: float | None
    foreign_load_percent: float  # share of the machine used by other processes


class Peers:
    """The other ranks of this training. Empty if one process starts and ends the training."""

    def __init__(
        self, store: TCPStore | None = None, here: Place | None = None, others: list[Any] | None = None
    ) -> None:
        self.store, self.here = store, here
        self.beside = [each["pid"] for each in others or [] if here and each["node"] == here.node]

    def part(self, spent: Spent) -> Spent:
        """End the group, so that each rank is alone again. Return the figures; on rank 0 those of all nodes together.

        Args:
            spent: the figures of this node.
        """
        if self.store is None or self.here is None:
            return spent
        self.store.set(f"spent {self.here.rank}", json.dumps(None if self.here.local_rank else asdict(spent)))
        if self.here.rank:
            self.store.get("parted")  # rank 0 may inspect this process until then
        else:
            said = [json.loads(self.store.get(f"spent {rank}")) for rank in range(self.here.ranks)]
            spent = _together([Spent(**each) for each in said if each])
            self.store.set("parted", "")
        distributed.destroy_process_group()
        return spent


@contextmanager
def met(hardware: HardwareProfile, attempt: Attempt) -> Iterator[Peers]:
    """Join the ranks of a multi-node profile in one process group.

    Raises:
        CellFailure: the first failure on any rank; `no_hardware` if a node lacks something or the nodes differ.
    """
    if not spread(hardware) or attempt.failure is not None:
        yield Peers()
        return
    here, store = place(), None
    try:
        store = _store(here)
        others = _agreed(store, here, hardware)
        group = PrefixStore("group", store)
        backend, whole = training_ranks.backend(hardware), here.ranks
        distributed.init_process_group(
            backend, store=group, world_size=whole, rank=here.rank, timeout=training_ranks.TIMEOUT
        )
        yield Peers(store, here, others)
    except UserError:
        raise
    except Exception as error:
        raise _first(error, store, here) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _store(here: Place) -> TCPStore:
    """Connect to the store of rank 0, once all other ranks are there."""
    at = SLURMEnvironment(auto_requeue=False)
    return TCPStore(at.main_address, at.main_port, here.ranks, is_master=here.rank == 0, timeout=training_ranks.TIMEOUT)


def _agreed(store: TCPStore, here: Place, hardware: HardwareProfile) -> list[Any]:
    """Return the node and the process id of each other rank, after checking that every node matches the profile."""
    mine = {"node": here.node, "pid": os.getpid(), "missing": limits.missing(hardware)}
    mine["fingerprint"] = provenance.hardware_fingerprint(hardware)
    store.set(f"rank {here.rank}", json.dumps(mine))
    said = [json.loads(store.get(f"rank {rank}")) for rank in range(here.ranks)]
    store.set(f"read {here.rank}", "")
    if here.rank == 0:  # rank 0 may end after this, and the store with it
        store.wait([f"read {rank}" for rank in range(here.ranks)])
    for each in said:
        if each["missing"]:
            raise CellFailure("no_hardware", f"{each['node']}: {each['missing']}")
    if len({each["fingerprint"] for each in said}) > 1:
        found = ", ".join(sorted({f"{each['node']} is {each['fingerprint']}" for each in said}))
        raise CellFailure("no_hardware", f"nodes of one training differ ({found}): use slurm.constraint in its profile")
    return [each for rank, each in enumerate(said) if rank != here.rank]


def _first(error: Exception, store: TCPStore | None, here: Place) -> CellFailure:
    """Return the first failure on any rank, or this error if it is the first."""
    failure = _failure_of(error)
    if not isinstance(error, CellFailure):
        traceback.print_exc()
        failure = CellFailure(failure.status, f"rank {here.rank} on {here.node}: {failure.reason}")
    if store is None:
        return failure
    try:
        status, reason = json.loads(store.compare_set("failure", "", json.dumps([failure.status, failure.reason])))
    except RuntimeError:  # the store has ended
        if isinstance(error, CellFailure):
            return failure
        return FinalFailure("infra_error", "rank 0 has ended: see what it says in the log")
    return CellFailure(status, reason)


def _failure_of(error: Exception) -> CellFailure:
    lost = isinstance(error, DistError) or any(sign in str(error) for sign in LOST)
    if lost and not isinstance(error, CellFailure):
        said = (str(error).strip().splitlines() or [""])[0][:300]
        return CellFailure("infra_error", f"lost another rank ({said}): see what that says in the log, and run again")
    return failure_of(error)


def _together(nodes: list[Spent]) -> Spent:
    joules = [each.energy_j for each in nodes if each.energy_j is not None]
    load = max(each.foreign_load_percent for each in nodes)
    if len({each.energy_method for each in nodes}) > 1 or len(joules) < len(nodes):
        return Spent(protocol.NONE, None, load)  # the estimate of one node and the count of another cannot be added
    return Spent(nodes[0].energy_method, sum(joules), load)
