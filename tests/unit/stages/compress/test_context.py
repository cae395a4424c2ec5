"""The context of compressions: training that keeps zeros and learns from a teacher, samples, and a validation score."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from breakeven.method import Teaching
from breakeven.stages.compress.context import make_context, training_samples
from breakeven.stages.evaluate import quality
from breakeven.stages.train.fit import zeros_held
from breakeven.units import registry

CPU = registry.hardware("cpu_1")


@pytest.fixture
def task():
    torch.manual_seed(0)
    return registry.task("mandarin_initials-width=2")


def test_zeros_of_a_matrix_stay_zero_through_adamw() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    model[0].weight.data[:, ::2] = 0
    nn.init.zeros_(model[1].weight)  # a new matrix, to be trained
    nn.init.zeros_(model[0].bias)
    zeros = model[0].weight == 0
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)

    def step() -> None:
        optimiser.zero_grad()
        model(torch.randn(8, 6)).sub(1).square().mean().backward()
        optimiser.step()

    with zeros_held(model):
        for _ in range(5):
            step()
    assert torch.equal(model[0].weight == 0, zeros)
    assert (model[1].weight != 0).all() and (model[0].bias != 0).all()
    optimiser.param_groups[0]["weight_decay"] = 0
    step()
    assert (model[0].weight != 0).all(), "held no longer than asked"


@pytest.mark.slow
def test_fine_tuning_keeps_zeros(task) -> None:
    model = task.model()
    model[3].weight.data[:, 0] = 0
    before = deepcopy(model.state_dict())
    make_context(task, 0, CPU).fine_tune(model, 0.5)
    assert (model[3].weight[:, 0] == 0).all()
    assert not torch.equal(model[0].weight, before["0.weight"])
    assert not model.training


@pytest.mark.slow
def test_a_student_comes_nearer_to_its_teacher_than_training_alone_brings_it(task) -> None:
    context, teacher = make_context(task, 0, CPU), task.model()
    context.fine_tune(teacher, 3, rate=1.0)
    (inputs, _), apart = next(training_samples(task, 1, 256)), {}
    for weight in (0.0, 1.0):
        torch.manual_seed(1)
        student = task.model()
        context.fine_tune(student, 3, rate=1.0, teaching=Teaching(teacher, weight))
        with torch.inference_mode():
            apart[weight] = task.distillation_loss(student(*inputs), teacher(*inputs), 2.0).item()
    assert apart[1.0] < 0.5 * apart[0.0]


def test_the_distillation_loss_is_that_of_the_paper(task) -> None:
    student, teacher, temperature = torch.randn(5, 7), torch.randn(5, 7), 3.0
    p, q = (torch.softmax(x / temperature, dim=1) for x in (teacher, student))
    expected = temperature**2 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(task.distillation_loss(student, teacher, temperature), expected)
    assert task.distillation_loss(teacher, teacher, temperature).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("samples", [1, 64, 100])
def test_training_samples_are_as_many_as_asked_with_their_targets(task, samples: int) -> None:
    batches = list(training_samples(task, 0, samples))
    assert sum(len(target) for _, target in batches) == samples
    assert all(len(x) == len(target) for inputs, target in batches for x in inputs)


def test_validation_is_on_the_validation_set_and_exact(task) -> None:
    data = task.datamodule(0)
    features, labels = data.val
    model = task.model().eval()
    with torch.inference_mode():
        right = (model(*features).argmax(1) == labels).float().mean().item()
    assert make_context(task, 0, CPU).validate(model) == pytest.approx(right)
    assert quality.score(model, task, "val") == pytest.approx(right)
