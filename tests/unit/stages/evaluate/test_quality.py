"""Quality on the whole test set, with an interval that is reproducible and paired with the reference's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from breakeven import protocol
from breakeven.files import file_sha256
from breakeven.stages import outputs
from breakeven.stages.evaluate import quality
from breakeven.statistics import kept_interval
from breakeven.units import registry

TASK, CPU = registry.task("mandarin_initials"), registry.hardware("cpu_1")


@pytest.fixture(scope="module")
def targets() -> torch.Tensor:
    data = TASK.datamodule(seed=0)
    data.prepare_data()
    data.setup("test")
    return torch.cat([target for _, target in data.test_dataloader()])


def always(name: int):
    return lambda x: torch.nn.functional.one_hot(torch.full((len(x),), name), 22).float()


@pytest.mark.parametrize("name", [0, 7])
def test_a_constant_answer_is_right_as_often_as_its_class_occurs(name: int, targets: torch.Tensor) -> None:
    found = quality.evaluate(always(name), TASK, CPU)
    assert found.quality == pytest.approx((targets == name).float().mean().item())
    assert found.n_eval == len(targets)
    assert found.ci_low <= found.quality <= found.ci_high


def test_the_interval_is_the_binomials(targets: torch.Tensor) -> None:
    found = quality.evaluate(always(0), TASK, CPU)
    p = found.quality
    assert (found.ci_high - found.ci_low) / 2 == pytest.approx(1.96 * (p * (1 - p) / len(targets)) ** 0.5, rel=0.25)


def test_the_interval_is_the_same_each_time() -> None:
    assert quality.evaluate(always(3), TASK, CPU) == quality.evaluate(always(3), TASK, CPU)


def one_of(names: tuple[int, int]):
    """Make a model that answers one name or the other, depending on the sign of the sample's first value."""

    def answer(x: torch.Tensor) -> torch.Tensor:
        chosen = torch.where(x[:, 0, 0, 0] > 0, *(torch.tensor(name) for name in names))
        return torch.nn.functional.one_hot(chosen, 22).float()

    return answer


def test_the_resampled_qualities_of_two_models_are_of_the_same_samples() -> None:
    """Two models answer every sample with opposite names. Together they are right as often as two models with one
    constant name each. This holds in each draw only if all models are scored on the same draws.
    """
    constant = [quality.evaluate(always(name), TASK, CPU).resampled for name in (0, 7)]
    mixed = [quality.evaluate(one_of(names), TASK, CPU).resampled for names in ((0, 7), (7, 0))]
    assert len(constant[0]) == protocol.RESAMPLES
    assert np.add(*constant) == pytest.approx(np.add(*mixed))
    assert np.add(constant[0], constant[1][::-1]) != pytest.approx(np.add(*mixed))


def test_the_interval_is_of_the_resampled_qualities() -> None:
    found = quality.evaluate(always(0), TASK, CPU)
    assert np.quantile(found.resampled, [0.025, 0.975]) == pytest.approx([found.ci_low, found.ci_high])


def test_a_model_keeps_all_of_its_own_quality_in_every_draw() -> None:
    found = quality.evaluate(always(3), TASK, CPU)
    assert kept_interval(found.resampled, found.resampled, True) == (1.0, 1.0)


KEPT = [  # quality per draw, reference's quality per draw, higher is better, interval
    ([0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9], True, (1, 1)),
    ([0.45, 0.4, 0.3, 0.25], [0.9, 0.8, 0.6, 0.5], True, (0.5, 0.5)),  # half in every draw: paired draws give no width
    ([0.2, 0.2, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1], False, (0.5, 0.5)),  # twice the errors
    ([0.5] * 41, [0.5, *[1.0] * 39, 0.25], True, (0.5, 1.0)),  # a fortieth on either side is cut off
    ([], [], True, (None, None)),
    ([0.5], [0.5, 0.5], True, (None, None)),  # other draws than the reference's
]


@pytest.mark.parametrize(("cell", "reference", "higher", "expected"), KEPT)
def test_the_share_of_quality_that_is_kept(cell: list, reference: list, higher: bool, expected: tuple) -> None:
    assert kept_interval(cell, reference, higher) == pytest.approx(expected)


def test_a_file_is_evaluated_with_its_hash_and_leaves_some_outputs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, eager = TASK.model().eval(), registry.method("eager")
    path, stored = tmp_path / "model.pt", tmp_path / "outputs.npy"
    eager.export(model, (), path)
    found = quality.evaluate_file(path, file_sha256(path), eager, TASK, CPU, stored)
    assert found.artifact_sha256 == file_sha256(path)
    with torch.inference_mode():
        expected = model(*TASK.example_inputs(protocol.OUTPUT_SAMPLES)).numpy()
    assert np.load(stored) == pytest.approx(expected, abs=1e-6)
    assert found.outputs_sha256 == outputs.sha256(np.load(stored))
    outputs.require_same(expected, stored)
