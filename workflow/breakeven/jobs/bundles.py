"""Bundles: short jobs of one kind that share one cluster job, which runs them one after the other.

A cluster job takes some ten seconds to start, longer than a short cell takes. Snakemake asks for the group of each job.
We plan the groups of all waiting jobs together, once Snakemake knows these jobs. The expected duration of a job is the
duration of such a job in earlier runs into the same folder. In the bundle's job Snakemake starts once, libraries are
imported once, and each member is forked from there. Every member remains a job with its own log, result and failure.
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

PLACES = {"evaluate": "accelerator", "measure": "hardware"}  # the place's wildcard; else train_hardware
# Expected seconds of a job without an earlier one like it. A training or a compression may take hours: it stays alone.
EVALUATE_S = 30.0
MEASURE_S = {"brief": 15.0, "quick": 30.0, "full": 400.0}
LARGEST = 100  # members of a bundle at most: one command line lists them all
WILDCARDS = ("task", "training_method", "train_hardware", "seed", "chain", "hardware", "accelerator")
TURN = "turn"  # a resource: every job takes one turn, and a bundle has one turn

Work = tuple[str, ...]


class Bundles:
    """Plan of the bundles: it assigns jobs of a run to shared cluster jobs.

    Args:
        workflow: Snakemake's workflow object of the run or, on a node, of one of the run's jobs.
        results: the folder with the results of earlier runs.
        minutes: the most expected work in a bundle, in minutes; 0: no bundles.
        timeout_min: the time limit of each job, in minutes.
    """

    def __init__(self, workflow: Any, grid: Grid, results: Path, minutes: float, timeout_min: int) -> None:
        self.workflow, self.grid, self.results = workflow, grid, results
        self.minutes, self.timeout_min = minutes, timeout_min
        self.timed = {each.key for each in grid.training_cells}
        self.members: dict[Work, str | None] = {}  # the bundle of every job that is to run; None: no bundle
        self.sizes: dict[str | None, int] = {}

    def group(self, rule: str) -> Callable[[Any], str | None] | None:
        """The `group:` of a rule: a function from a job's wildcards to the name of its bundle; None without bundles.

        There are no bundles on a node, nor without a limit to the jobs in a queue. So a local run never plans groups.
        """
        none = self.workflow.remote_exec or self.workflow.nodes is None or not self.minutes
        return None if none else lambda wildcards: self._bundle(rule, wildcards)

    def runtime(self, rule: str) -> Callable[[Any], int]:
        """The minutes that a cluster gives a job; a member of a bundle asks for its part, as Snakemake adds them up.

        The sum is enough for the expected work of all members, and for one member to reach its limit.
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
            single = registry.hardware(kind[1]).nodes > 1  # srun starts the processes of a multi-node job
            for bundle in packed(sorted(jobs), lambda job: self._expected(seen, job[1]), 60 * self.minutes):
                name = f"{kind[0]}-{len(self.sizes)}" if len(bundle) > 1 and not single else None
                self.sizes |= {name: len(bundle)} if name else {}
                self.members |= {identity: name for identity, _ in bundle}
        snakemake.bundle(self.workflow, self.sizes, TURN)

    def _kind(self, rule: str, wildcards: Any) -> Work:
        """A key that jobs of a bundle share: they request the same resources, and none depends on another."""
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
    """Pack jobs, in their order, into bundles of at most `limit_s`. A longer job, or one of unknown time, is alone."""
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
    """The longest duration, in seconds, of each kind of work in earlier runs into this folder.

    Keys are the exact work and the wider kind of work like it (`alike`).
    """
    found: dict[Work, float] = {}
    for file, job in job_records(results):
        record = read_json(file)
        took = datetime.fromisoformat(record["finished_at"]) - datetime.fromisoformat(record["started_at"])
        for key in (job, alike(job)):
            found[key] = max(found.get(key, 0.0), took.total_seconds())
    return found


def work(rule: str, wildcards: Any) -> Work:
    """A key for the work of a job, without its seed: rule, task, training or chain, place."""
    what = wildcards.training_method if rule == "train" else wildcards.chain
    return rule, wildcards.task, what, getattr(wildcards, PLACES.get(rule, "train_hardware"))


def alike(job: Work) -> Work:
    """A key that a job shares with the rule's other jobs on the same task, in the same place."""
    rule, task, _, place = job
    return rule, task, place


def _identity(rule: str, wildcards: Any) -> Work:
    """A key for one job of a run. Sorting by it puts jobs of one model together, since they become ready together."""
    return rule, *(getattr(wildcards, name, "") for name in WILDCARDS)
