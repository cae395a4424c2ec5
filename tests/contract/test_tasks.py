"""Every task found, at its default parameters: what the contract of a task promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from breakeven import data, registry
from breakeven.errors import CellFailure
from breakeven.record import Status
from breakeven.task import Task

NAMES = sorted(registry.units("tasks"))
PARTS = ("train", "val", "test")


@pytest.fixture(params=NAMES)
def task(request: pytest.FixtureRequest) -> Task:
    torch.manual_seed(0)
    return registry.task(request.param)


@pytest.fixture
def first(task: Task) -> dict[str, tuple[tuple[Tensor, ...], Tensor]]:
    """The first batch of each part."""
    module = task.datamodule(seed=0)
    return {part: next(iter(getattr(module, f"{part}_dataloader")())) for part in PARTS}


@pytest.mark.parametrize("name", NAMES)
def test_states_what_it_is(name: str) -> None:
    task = registry.task(name)
    assert registry.find("tasks", name).group == task.domain
    assert task.version >= 1 and task.title and task.licence
    assert task.data_kind in {"recorded", "composed", "synthetic"}
    assert task.recipe.epochs > 0 and task.recipe.batch_size > 0
    assert 0 < task.quality.target < 1 if task.quality.unit == "ratio" else task.quality.target > 0


@pytest.mark.slow
def test_preparing_in_another_cache_gives_the_same_data(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, sources = task.prepare(), data.cache() / "sources"
    (tmp_path / "sources").symlink_to(sources)
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path))
    assert task.prepare() == here
    assert list((tmp_path / "prepared").glob("*.safetensors")), "it was not prepared again"


def test_batches_are_inputs_and_target_of_one_length(task: Task, first: dict) -> None:
    for inputs, target in first.values():
        assert isinstance(inputs, tuple) and all(isinstance(x, Tensor) for x in inputs)
        assert {len(x) for x in inputs} == {len(target)} == {task.recipe.batch_size}
        assert all(torch.isfinite(x).all() for x in inputs if x.is_floating_point())
    shapes = [[(x.dtype, x.shape[1:]) for x in (*inputs, target)] for inputs, target in first.values()]
    assert shapes[0] == shapes[1] == shapes[2]


def test_parts_share_no_sample(task: Task) -> None:
    seen: list[set[bytes]] = []
    module = task.datamodule(seed=0)
    for part in PARTS:  # as stored: augmentation and normalisation come later
        inputs, _ = getattr(module, part)
        seen.append({b"".join(x[i].numpy().tobytes() for x in inputs) for i in range(min(3000, len(inputs[0])))})
    # a data set may hold the same picture or the same two words twice; a leak would share far more than that
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert len(seen[one] & seen[other]) <= 0.01 * len(seen[other])


def test_the_seed_decides_the_order_of_training_and_nothing_else(task: Task) -> None:
    def targets(seed: int, part: str) -> list[int]:
        return next(iter(getattr(task.datamodule(seed), f"{part}_dataloader")()))[1].tolist()

    assert targets(1, "train") == targets(1, "train") != targets(2, "train")
    assert targets(1, "test") == targets(2, "test")


def test_the_test_loader_runs_through_the_whole_test_set_in_order(task: Task) -> None:
    module = task.datamodule(seed=3)
    assert torch.equal(torch.cat([target for _, target in module.test_dataloader()]), module.test[1])


def test_examples_are_the_first_test_inputs(task: Task, first: dict) -> None:
    for size in (1, 7):
        examples = task.example_inputs(size)
        assert isinstance(examples, tuple) and len(examples) == len(first["test"][0])
        for example, x in zip(examples, first["test"][0], strict=True):
            assert example.dtype == x.dtype and torch.equal(example, x[:size])


def test_training_steps_lower_the_loss_on_their_batch(task: Task, first: dict) -> None:
    model, (inputs, target) = task.model().train(), first["train"]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    optimizer = torch.optim.AdamW(model.parameters(), lr=task.recipe.learning_rate / 10)
    losses = []
    for _ in range(6):
        loss = task.loss(model(*inputs), target)
        assert loss.shape == () and torch.isfinite(loss)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_the_loss_is_the_mean_over_the_batch(task: Task, first: dict) -> None:
    model, (inputs, target) = task.model().eval(), first["test"]
    with torch.inference_mode():
        outputs = model(*inputs)
        halves = [task.loss(part, t) for part, t in zip(outputs.chunk(2), target.chunk(2), strict=True)]
        assert torch.allclose(task.loss(outputs, target), sum(halves) / 2, rtol=1e-4)


def test_the_metric_gives_a_value_in_range_and_starts_afresh(task: Task, first: dict) -> None:
    model, (inputs, target) = task.model().eval(), first["test"]
    metric = task.metric()
    with torch.inference_mode():
        metric.update(model(*inputs), target)
    value = metric.compute().item()
    assert 0 <= value <= 1 if task.quality.unit == "ratio" else value >= 0
    assert task.metric() is not metric


def test_the_metric_tells_right_from_wrong(task: Task, first: dict) -> None:
    if task.quality.metric != "top1_accuracy":
        pytest.skip(f"{task.quality.metric}: what is right is not known here")
    target = first["test"][1]
    with torch.inference_mode():
        classes = task.model().eval()(*task.example_inputs(1)).shape[1]
    for shift, value in ((0, 1.0), (1, 0.0)):
        metric = task.metric()
        metric.update(torch.nn.functional.one_hot((target + shift) % classes, classes).float(), target)
        assert metric.compute().item() == value


def test_a_sample_gets_the_same_output_alone_and_in_a_batch(task: Task) -> None:
    model, inputs = task.model().eval(), task.example_inputs(5)
    with torch.inference_mode():
        together = model(*inputs)
        alone = torch.cat([model(*(x[i : i + 1] for x in inputs)) for i in range(5)])
    assert together.shape[0] == 5
    assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_a_student_is_a_smaller_model_of_the_same_call_or_the_task_says_why_not(task: Task) -> None:
    model, inputs = task.model().eval(), task.example_inputs(3)
    try:
        students = [task.student(width).eval() for width in (0.5, 0.5, 0.25)]
    except CellFailure as failure:
        assert failure.status == Status.UNSUPPORTED and ": " in failure.reason
        pytest.skip(failure.reason)
    with torch.inference_mode():
        outputs = [each(*inputs) for each in (model, *students)]
    assert {(x.shape, x.dtype) for x in outputs} == {(outputs[0].shape, torch.float32)}
    sizes = [sum(p.numel() for p in each.parameters()) for each in (model, *students)]
    assert sizes[0] > sizes[1] == sizes[2] > sizes[3]
    assert all(p.requires_grad and p.dtype == torch.float32 for each in students for p in each.parameters())
    places = [{p.data_ptr() for p in each.parameters()} for each in (model, *students)]
    assert len(set.union(*places)) == sum(map(len, places)), "weights are shared"


def test_parameters_are_described(task: Task) -> None:
    for field in dataclasses.fields(task):
        assert getattr(field.default, "description", None), f"parameter '{field.name}' has no description"
