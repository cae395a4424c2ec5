"""From a config to cells."""

from __future__ import annotations

import pytest

from breakeven import grid
from breakeven.errors import UserError

CONFIG = {
    "tasks": ["mandarin_initials"],
    "seeds": [0],
    "training": [],
    "trained_by": "single_device@cpu_1",
    "chains": [],
    "hardware": ["cpu_1"],
    "timing": "quick",
}


def chains(**change: object) -> list[str]:
    return [cell.chain for cell in grid.expand({**CONFIG, **change}).cells]


def test_the_reference_is_always_there_and_nothing_twice() -> None:
    assert chains(chains=["fp32", "low_rank", "low_rank+eager"]) == ["fp32", "low_rank"]


def test_the_uncompressed_model_is_measured_in_every_runtime_that_a_chain_uses() -> None:
    assert chains(chains=["low_rank", "int8_static"]) == ["fp32", "low_rank", "int8_static", "onnxruntime"]


def test_a_curve_is_a_chain_at_several_values_of_one_parameter() -> None:
    curve = {"magnitude_pruning": {"sparsity": [0.5, 0.8, 0.96875]}}
    assert chains(curve=curve) == [
        "fp32",
        "magnitude_pruning-sparsity=0.5",
        "magnitude_pruning",  # its default
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
