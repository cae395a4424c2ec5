"""Grouping of jobs into one cluster job, by the durations of earlier jobs and by the requested resources."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from breakeven.files import write_json
from breakeven.grid import cells
from breakeven.jobs.bundles import LARGEST, TURN, Bundles, longest, packed

CONFIG = {
    "tasks": ["fashion_mnist"],
    "seeds": list(range(30)),
    "training_cells": ["single_device@cpu_1"],
    "trained_as": "single_device@cpu_1",
    "chains": [],
    "hardware": ["cpu_1"],
    "mode": "quick",
}


def training(seed: int, **changed: str) -> SimpleNamespace:
    given = {"task": "fashion_mnist", "training_method": "single_device", "train_hardware": "cpu_1", "seed": str(seed)}
    return SimpleNamespace(**{**given, **changed})


def cell(seed: int, chain: str = "fp32") -> SimpleNamespace:
    return SimpleNamespace(**vars(training(seed)), chain=chain, hardware="cpu_1")


def bundles(
    results: Path, jobs: list[tuple[str, SimpleNamespace]], minutes: float = 10, **here: bool | None
) -> Bundles:
    waiting = [SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards=wildcards) for rule, wildcards in jobs]
    workflow = SimpleNamespace(
        dag=SimpleNamespace(needrun_jobs=lambda: waiting),
        group_settings=SimpleNamespace(),
        global_resources={},
        **{"local_exec": False, "remote_exec": False, "nodes": 50, **here},
    )
    return Bundles(workflow, cells.expand(CONFIG), results, minutes, timeout_min=60)


def groups(found: Bundles, jobs: list[tuple[str, SimpleNamespace]]) -> list[str | None]:
    return [found.group(rule)(wildcards) for rule, wildcards in jobs]  # type: ignore[misc]


def took(results: Path, folder: str, minute: int) -> None:
    times = {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": f"2026-01-01T00:{minute:02}:00+00:00"}
    write_json(times, results / folder / "job.json")


def test_cells_never_measured_are_guessed_and_fill_a_bundle(tmp_path: Path) -> None:
    jobs = [("measure", cell(seed)) for seed in range(30)]
    found = bundles(tmp_path, jobs)
    names = groups(found, jobs)
    assert sorted(names.count(name) for name in set(names)) == [10, 20]  # jobs of 30 s in bundles of 10 minutes
    assert found.workflow.group_settings.group_components == {name: names.count(name) for name in names}
    assert found.workflow.global_resources == {TURN: 1}
    assert sum(found.runtime(rule)(w) for (rule, w), name in zip(jobs, names, strict=True) if name == names[0]) >= 85


def test_trainings_nobody_has_seen_get_a_job_each_until_their_like_was_short(tmp_path: Path) -> None:
    jobs = [("train", training(seed)) for seed in range(4)] + [("train", training(0, training_method="ddp"))]
    assert groups(bundles(tmp_path, jobs), jobs) == [None] * 5
    assert bundles(tmp_path, jobs).runtime("train")(training(0)) == 75
    took(tmp_path, "models/fashion_mnist/single_device@cpu_1/seed=9", 3)
    took(tmp_path, "models/fashion_mnist/ddp@cpu_1/seed=9", 11)
    *short, long = groups(bundles(tmp_path, jobs), jobs)
    assert long is None
    assert sorted(short.count(name) for name in short) == [1, 3, 3, 3]
    assert None in short  # the job left over


@pytest.mark.parametrize("how", [{"minutes": 0}, {"remote_exec": True}, {"nodes": None}])
def test_there_are_no_bundles(tmp_path: Path, how: dict) -> None:
    assert bundles(tmp_path, [], **how).group("measure") is None


def test_in_a_dry_run_every_job_is_seen_by_itself(tmp_path: Path) -> None:
    jobs = [("measure", cell(seed)) for seed in range(3)]
    assert groups(bundles(tmp_path, jobs, local_exec=True), jobs) == [None] * 3


def test_steps_of_a_chain_that_wait_for_one_another_are_not_in_one_bundle(tmp_path: Path) -> None:
    jobs = [
        ("compress", SimpleNamespace(**vars(training(seed)), chain=chain))
        for chain in ("a", "a+b")
        for seed in range(2)
    ]
    took(tmp_path, "artifacts/fashion_mnist/single_device@cpu_1/seed=9/a", 1)
    first, second, *rest = groups(bundles(tmp_path, jobs), jobs)
    assert first == second is not None
    assert rest[0] == rest[1] != first


def test_what_work_took_is_read_from_every_stage(tmp_path: Path) -> None:
    for minute, folder in enumerate(["evaluations", "cells", "models", "artifacts"], start=1):
        last = {"models": "", "artifacts": "/fp32"}.get(folder, "/fp32@cpu_1")
        took(tmp_path, f"{folder}/task/how@cpu_1/seed=0{last}", minute)
    found = longest(tmp_path)
    assert found["evaluate", "task", "fp32", "cpu_1"] == found["evaluate", "task", "cpu_1"] == 60
    assert found["measure", "task", "fp32", "cpu_1"] == 120
    assert found["train", "task", "how", "cpu_1"] == 180
    assert found["compress", "task", "fp32", "cpu_1"] == 240


def test_no_command_line_is_too_long() -> None:
    assert [len(bundle) for bundle in packed(range(LARGEST + 1), lambda _: 0.1, 600)] == [LARGEST, 1]
