"""Cells from a config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from breakeven.errors import UserError
from breakeven.grid import cells
from breakeven.jobs import slurm
from breakeven.units import registry

CONFIG = {
    "tasks": ["mandarin_initials"],
    "seeds": [0],
    "training_cells": [],
    "trained_as": "single_device@cpu_1",
    "chains": [],
    "hardware": ["cpu_1"],
    "mode": "quick",
}


def chains(**change: object) -> list[str]:
    return [cell.chain for cell in cells.expand({**CONFIG, **change}).inference_cells]


def test_the_reference_is_always_there_and_nothing_twice() -> None:
    assert chains(chains=["fp32", "low_rank", "low_rank+eager"]) == ["fp32", "low_rank"]


def test_the_uncompressed_model_is_measured_in_every_runtime_that_a_chain_uses() -> None:
    assert chains(chains=["low_rank", "int8_static"]) == ["fp32", "low_rank", "int8_static", "onnxruntime"]


def test_a_curve_is_a_chain_at_several_values_of_one_parameter() -> None:
    curve = {"magnitude_pruning": {"sparsity": [0.5, 0.8, 0.96875]}}
    assert chains(curve=curve) == [
        "fp32",
        "magnitude_pruning-sparsity=0.5",
        "magnitude_pruning",  # the default
        "magnitude_pruning-sparsity=0.96875",
    ]


def test_a_curve_may_be_of_any_step_of_a_chain() -> None:
    curve = {"channel_pruning-fine_tuning=0.5+int8_static": {"ratio": [0.25, 0.75]}}
    assert chains(curve=curve)[1:3] == [
        "channel_pruning-ratio=0.25-fine_tuning=0.5+int8_static",
        "channel_pruning-ratio=0.75-fine_tuning=0.5+int8_static",
    ]


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ({"magnitude_pruning": {"sparsty": [0.5]}}, "no step has a parameter 'sparsty'"),
        ({"magnitude_pruning+low_rank": {"energy": [0.5]}}, "undoes what"),
        ({"channel_pruning+magnitude_pruning": {"fine_tuning": [0.5]}}, "2 steps have a parameter 'fine_tuning'"),
        ({"magnitude_pruning": {"sparsity": [1.5]}}, "less than 1"),
        ({"magnitude_pruning": {"sparsity": []}}, "curve.magnitude_pruning.sparsity"),
        ({"magnitude_pruning": {"sparsity": 0.5}}, "curve.magnitude_pruning.sparsity"),
        ({"magnitude_pruning": {}}, "curve.magnitude_pruning"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(curve: dict, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        chains(curve=curve)


# resources that a cluster job requests

PROFILE = {"accelerator": "cpu", "devices": 2, "nodes": 1, "threads": 3, "memory_gib": 4, "device_pattern": ".*"}
ROOM_MB = slurm.OVERHEAD_MB


@pytest.fixture
def asked(content_root: Path) -> Callable[..., dict[str, object]]:
    """Return a function that gives the resources of a job on a changed profile, in a grid that also has cpu_1."""
    (content_root / "hardware").mkdir()

    def ask(change: dict, **options: object) -> dict[str, object]:
        registry.forget()
        (content_root / "hardware" / "mine.yaml").write_text(yaml.safe_dump({**PROFILE, **change}))
        used = {"training_cells": ["ddp@mine"]} if "nodes" in change else {"hardware": ["cpu_1", "mine"]}
        found = slurm.resources(cells.expand({**CONFIG, **used}), lambda name: name, **options)
        return {name: resource("mine") for name, resource in found.items() if resource("mine") is not None}

    return ask


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"mem_mb": 2 * 4 * 1024 + ROOM_MB}),
        ({"devices": 1}, {"mem_mb": 4 * 1024 + ROOM_MB}),
        ({"slurm": {"memory_gib": 1.5}}, {"mem_mb": 1536}),
        ({"accelerator": "cuda"}, {"mem_mb": 2 * 4 * 1024 + ROOM_MB, "gres": "gpu:2"}),
        (
            {"accelerator": "cuda", "slurm": {"gres": "gpu:a100:2", "memory_gib": 64}},
            {"mem_mb": 65536, "gres": "gpu:a100:2"},
        ),
        (
            {"slurm": {"partition": "fast", "account": "ours", "qos": "long", "constraint": "avx512", "memory_gib": 1}},
            {"mem_mb": 1024, "slurm_partition": "fast", "slurm_account": "ours", "qos": "long", "constraint": "avx512"},
        ),
    ],
)
def test_what_a_cluster_is_asked_for(change: dict, expected: dict, asked: Callable[..., dict[str, object]]) -> None:
    assert asked(change) == expected


SEVERAL = {"nodes": 4, "devices": 2, "slurm": {"memory_gib": 1}}
TASKS = {"nodes": 4, "tasks": 8, "cpus_per_task": 3, "mpi": "srun", "slurm_extra": "--ntasks-per-node=2"}


def test_a_training_asks_for_all_nodes_of_a_profile(asked: Callable[..., dict[str, object]]) -> None:
    assert asked(SEVERAL, spread=lambda: True) == {"mem_mb": 1024, **TASKS}
    gpus = {**TASKS, "gres": "gpu:2", "tasks_per_gpu": 0}
    assert asked({**SEVERAL, "accelerator": "cuda"}, spread=lambda: True) == {"mem_mb": 1024, **gpus}
    timed = asked(SEVERAL, spread=lambda: True, alone=lambda name: True)
    assert timed["slurm_extra"] == "--exclusive --ntasks-per-node=2"
    assert asked({"nodes": 4, "devices": 2}, spread=lambda: True)["mem_mb"] == 2 * (4 * 1024 + ROOM_MB)


def test_what_is_no_training_or_not_on_a_cluster_asks_for_one(asked: Callable[..., dict[str, object]]) -> None:
    assert asked(SEVERAL) == asked(SEVERAL, spread=lambda: False) == {"mem_mb": 1024}


def test_a_training_on_several_nodes_is_started_on_each(asked: Callable[..., dict[str, object]]) -> None:
    asked(SEVERAL)
    size = "--nodes=4 --ntasks=8 --ntasks-per-node=2 --cpus-per-task=3"
    assert slurm.launcher("mine", TASKS) == f"srun {size} --kill-on-bad-exit=1 --wait=0 --label "
    assert slurm.launcher("mine", {}) == ""  # on other machines, its row says no_hardware


def test_no_model_is_served_on_several_nodes() -> None:
    with pytest.raises(UserError, match="hardware 'cpu_2nodes': has 2 nodes, a model is served on one"):
        cells.expand({**CONFIG, "hardware": ["cpu_2nodes"]})


def test_a_timed_job_asks_for_its_node_alone(asked: Callable[..., dict[str, object]]) -> None:
    assert asked({}, alone=lambda name: name == "mine")["slurm_extra"] == "--exclusive"
    assert "slurm_extra" not in asked({}, alone=lambda name: name != "mine")


def test_a_cell_and_its_reference_are_in_memory_at_once(asked: Callable[..., dict[str, object]]) -> None:
    assert asked({"devices": 1}, models=2)["mem_mb"] == 2 * 4 * 1024 + ROOM_MB


def test_what_no_profile_asks_for_is_left_to_the_defaults_of_the_run() -> None:
    """A resource that a rule names, even without a value, hides the value of default-resources."""
    assert slurm.resources(cells.expand(CONFIG), lambda wildcards: "cpu_1").keys() == {"mem_mb"}


def test_quality_is_evaluated_on_a_node_of_its_kind() -> None:
    both = cells.expand({**CONFIG, "hardware": ["cpu_2", "cuda_1", "cpu_1"]})
    assert [slurm.evaluated_on(both, kind) for kind in ("cpu", "cuda")] == ["cpu_2", "cuda_1"]
