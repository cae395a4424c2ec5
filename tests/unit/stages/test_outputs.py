"""The timed process must serve the evaluated file and give the evaluated outputs; otherwise it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from breakeven.errors import CellFailure
from breakeven.files import file_sha256
from breakeven.protocol import Mode
from breakeven.stages import outputs
from breakeven.stages.measure import lockstep, served_model
from breakeven.stages.measure.served_model import Served
from breakeven.units import registry

TASK, CPU = registry.task("mandarin_initials"), registry.hardware("cpu_1")
ONE_TURN = Mode(pairs=1, seconds=0, calls=1)
STORED = np.linspace(-5, 5, 24, dtype=np.float32).reshape(8, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    outputs.write(STORED, tmp_path / "outputs.npy")
    return tmp_path / "outputs.npy"


def changed(by: float) -> np.ndarray:
    found = STORED.copy()
    found[3, 1] += by
    return found


def with_value(value: float, array: np.ndarray = STORED) -> np.ndarray:
    found = array.copy()
    found[0, 0] = value
    return found


@pytest.mark.parametrize("by", [0, 0.04, -0.04])
def test_the_same_outputs_pass_up_to_rounding(by: float, path: Path) -> None:
    outputs.require_same(changed(by), path)


REFUSED = {
    "one sample of another": (changed(0.06), "by up to 0.06, the largest being 5"),
    "samples in another order": (STORED[::-1], "by up to 9.13"),
    "not a number": (with_value(np.nan), "by up to nan"),
    "infinite": (with_value(np.inf), "by up to inf"),
    "fewer samples": (STORED[:4], "of shape (4, 3), not (8, 3)"),
    "another shape of as many": (STORED.reshape(3, 8), "of shape (3, 8)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_outputs_are_refused_with_both_hashes(name: str, path: Path) -> None:
    found, apart = REFUSED[name]
    with pytest.raises(CellFailure) as raised:
        outputs.require_same(found, path)
    assert raised.value.status == "method_error"
    for text in (apart, outputs.sha256(STORED), outputs.sha256(found)):
        assert text in raised.value.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_must_be_so_again_and_excuses_nothing_else(value: float, path: Path) -> None:
    outputs.write(with_value(value), path)
    outputs.require_same(with_value(value), path)
    for found in (STORED, with_value(value, changed(0.06))):
        with pytest.raises(CellFailure):
            outputs.require_same(found, path)


def test_zeros_have_no_room_for_rounding(path: Path) -> None:
    outputs.write(np.zeros((2, 2)), path)
    outputs.require_same(np.zeros((2, 2)), path)
    with pytest.raises(CellFailure):
        outputs.require_same(np.full((2, 2), 1e-9), path)


def test_the_hash_is_of_the_values(path: Path) -> None:
    assert outputs.write(STORED, path) == outputs.sha256(STORED) == outputs.sha256(STORED.T.copy().T)
    assert outputs.sha256(changed(1e-6)) != outputs.sha256(STORED)


class Files:
    """Two model files of one task, and the first model's outputs as stored by its evaluation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        torch.set_num_threads(1)  # forks of this process may compute
        self.cell = self._served("cell", seed=0)
        self.other = self._served("other", seed=1)

    def _served(self, name: str, seed: int) -> Served:
        torch.manual_seed(seed)
        model: nn.Module = TASK.model().eval()
        file, stored = self.folder / f"{name}.pt", self.folder / f"{name}.npy"
        registry.method("eager").export(model, (), file)
        outputs.write(outputs.outputs_of(model, TASK, CPU), stored)
        return Served(file, "eager", file_sha256(file), stored)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("served"))


def measure(cell: Served, reference: Served) -> None:
    lockstep.measure(cell, reference, TASK, CPU, ONE_TURN, seed=0)


def measure_memory(cell: Served, _: Served) -> None:
    lockstep.measure_memory(cell, TASK, CPU, seed=0)


def swapped(cell: Served, reference: Served) -> None:
    measure(reference, cell)


def test_what_was_evaluated_is_timed(files: Files) -> None:
    measure(files.cell, files.other)
    measure_memory(files.cell, files.other)


@pytest.mark.parametrize("way", [measure, measure_memory, swapped])
def test_another_file_is_refused_with_both_hashes(way: Callable, files: Files) -> None:
    planted = replace(files.cell, path=files.other.path)
    with pytest.raises(CellFailure) as raised:
        way(planted, files.other)
    assert raised.value.status == "method_error"
    assert files.cell.sha256 in raised.value.reason
    assert files.other.sha256 in raised.value.reason
    assert raised.value.reason.endswith(": evaluate it again")


@pytest.mark.parametrize("way", [measure, measure_memory, swapped])
def test_another_models_outputs_are_refused_with_both_hashes(way: Callable, files: Files) -> None:
    """The file is the evaluated one but its outputs differ: only the timed process can see that."""
    planted = replace(files.cell, outputs=files.other.outputs)
    with pytest.raises(CellFailure) as raised:
        way(planted, files.other)
    assert raised.value.status == "method_error"
    for served in (files.cell, files.other):
        assert outputs.sha256(np.load(served.outputs)) in raised.value.reason


def test_a_file_without_an_evaluation_is_not_checked(files: Files) -> None:
    served_model.require_file(Served(files.folder / "never written", "eager"))
