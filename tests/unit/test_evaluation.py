"""Quality on the whole test set, with an interval that can be made again."""

import pytest
import torch

from breakeven import evaluation, registry

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
    found = evaluation.evaluate(always(name), TASK, CPU)
    assert found.quality == pytest.approx((targets == name).float().mean().item())
    assert found.n_eval == len(targets)
    assert found.ci_low <= found.quality <= found.ci_high


def test_the_interval_is_the_binomials(targets: torch.Tensor) -> None:
    found = evaluation.evaluate(always(0), TASK, CPU)
    p = found.quality
    assert (found.ci_high - found.ci_low) / 2 == pytest.approx(1.96 * (p * (1 - p) / len(targets)) ** 0.5, rel=0.25)


def test_the_interval_is_the_same_each_time() -> None:
    assert evaluation.evaluate(always(3), TASK, CPU) == evaluation.evaluate(always(3), TASK, CPU)
