"""Bundles: short jobs of a kind that share one job of a cluster, which does them one after the other.

A job of a cluster takes some ten seconds to start, more than a short cell takes. Snakemake asks for the group of each
job; the answer is planned for all that are to run, once it is known which these are. How long a job will take is what
such a job took in earlier runs into the same folder. In the bundle's job Snakemake starts once, libraries are imported
once, and each member forks from there; every member is still a job of its own, with its log, its result, its failure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from breakeven.files import read_json
from breakeven.grid.cells import Grid
from breakeven.jobs import slurm, snakemake
from breakeven.results import FOLDERS, job_records, training
from breakeven.units import registry

PLACES = {"evaluate": "accelerator", "measure": "hardware"}  # the wildcard that says where; else train_hardware
# Seconds of a job whose like has never run. A training or a compression may take hours: it gets a job of its own.
EVALUATE_S = 30.0
MEASURE_S = {"brief": 15.0, "quick": 30.0, "full": 400.0}
LARGEST = 100  # members of a bundle: all of them stand on one command line
WILDCARDS = ("task", "training_method", "train_hardware", "seed", "chain", "hardware", "accelerator")
TURN = "turn"  # the resource of which every job takes one, and a bundle has one

Work = tuple[str, ...]


class Bundles:
    """Which jobs of a run share one job of the cluster.

    Args:
        workflow: Snakemake's, of the run or, on a node, of one of its jobs.
        results: the folder with the results of earlier runs.
        minutes: of expected work in a bundle; 0: every job by itself.
        timeout_min: the limit of each job.
    """

    def __init__(self, workflow: Any, grid: Grid, results: Path, minutes: float, timeout_min: int) -> None:
        self.workflow, self.grid, self.results = workflow, grid, results
        self.minutes, self.timeout_min = minutes, timeout_min
        self.timed = {each.key for each in grid.training_cells}
        self.members: dict[Work, str | None] = {}  # of every job that is to run: its bundle
        self.sizes: dict[str | None, int] = {}

    def group(self, rule: str) -> Callable[[Any], str | None] | None:
        """The `group:` of a rule: names the bundle of a job, given its wildcards. None where there can be none.

        That is on a node, and without a limit to the jobs in a queue: in a local run no plan asks for groups in vain.
        """
        none = self.workflow.remote_exec or self.workflow.nodes is None or not self.minutes
        return None if none else lambda wildcards: self._bundle(rule, wildcards)

    def runtime(self, rule: str) -> Callable[[Any], int]:
        """The minutes that a cluster gives a job: Snakemake adds up those of a bundle, so each has its part.

        Their sum is time for the expected work of all, and for one of them to reach its limit.
        """

        def of(wildcards: Any) -> int:
            size = self.sizes.get(self.members.get(_identity(rule, wildcards)), 1)
            extra = self.minutes if size > 1 else 0
            return math.ceil((self.timeout_min + slurm.MARGIN_MIN + extra) / size)

        return of

    def _bundle(self, rule: str, wildcards: Any) -> str | None:
        if self.workflow.local_exec:  # a dry run
            return None
        if _identity(rule, wildcards) not in self.members:
            self._plan()
        return self.members.get(_identity(rule, wildcards))

    def _plan(self) -> None:
        """Find the bundles of all jobs that are to run and have none yet."""
        kinds = defaultdict(list)
        for rule, wildcards in snakemake.waiting(self.workflow):
            if rule in FOLDERS and _identity(rule, wildcards) not in self.members:
                kinds[self._kind(rule, wildcards)].append((_identity(rule, wildcards), work(rule, wildcards)))
        seen = longest(self.results)
        for kind, jobs in kinds.items():
            single = registry.hardware(kind[1]).nodes > 1  # its processes start in a way of their own
            for bundle in packed(sorted(jobs), lambda job: self._expected(seen, job[1]), 60 * self.minutes):
                name = f"{kind[0]}-{len(self.sizes)}" if len(bundle) > 1 and not single else None
                self.sizes |= {name: len(bundle)} if name else {}
                self.members |= {identity: name for identity, _ in bundle}
        snakemake.bundle(self.workflow, self.sizes, TURN)

    def _kind(self, rule: str, wildcards: Any) -> Work:
        """What jobs of a bundle have in common: what they ask the cluster for, and that none waits for another."""
        place = getattr(wildcards, PLACES.get(rule, "train_hardware"))
        if rule == "evaluate":
            return rule, slurm.evaluated_on(self.grid, place)
        if rule == "compress":
            return rule, place, str(wildcards.chain.count("+"))
        if rule == "train":
            key = training(wildcards.task, wildcards.training_method, place, wildcards.seed)
            return rule, place, "alone" if key in self.timed else ""
        return rule, place

    def _expected(self, seen: dict[Work, float], job: Work) -> float | None:
        guess = {"evaluate": EVALUATE_S, "measure": MEASURE_S[self.grid.mode]}.get(job[0])
        return seen.get(job, seen.get(alike(job), guess))


def packed(jobs: Iterable[Any], seconds: Callable[[Any], float | None], limit_s: float) -> Iterator[list[Any]]:
    """Jobs, in their order, in bundles of no more than `limit_s`; one that takes longer, or nobody knows, by itself."""
    bundle: list[Any] = []
    filled_s = 0.0
    for job in jobs:
        took_s = seconds(job)
        if took_s is None:
            yield [job]
            continue
        if bundle and (filled_s + took_s > limit_s or len(bundle) == LARGEST):
            yield bundle
            bundle, filled_s = [], 0.0
        bundle.append(job)
        filled_s += took_s
    if bundle:
        yield bundle


def longest(results: Path) -> dict[Work, float]:
    """Seconds that work took at most in earlier runs into this folder: the same work, and work like it."""
    found: dict[Work, float] = {}
    for file, job in job_records(results):
        record = read_json(file)
        took = datetime.fromisoformat(record["finished_at"]) - datetime.fromisoformat(record["started_at"])
        for key in (job, alike(job)):
            found[key] = max(found.get(key, 0.0), took.total_seconds())
    return found


def work(rule: str, wildcards: Any) -> Work:
    """What a job does and where, whatever its seed: rule, task, training or chain, place."""
    what = wildcards.training_method if rule == "train" else wildcards.chain
    return rule, wildcards.task, what, getattr(wildcards, PLACES.get(rule, "train_hardware"))


def alike(job: Work) -> Work:
    """What a job has in common with others on the same task, in the same place."""
    rule, task, _, place = job
    return rule, task, place


def _identity(rule: str, wildcards: Any) -> Work:
    """A job of a run. Sorted by it, the jobs that start from one model are together: they get ready together."""
    return rule, *(getattr(wildcards, name, "") for name in WILDCARDS)
