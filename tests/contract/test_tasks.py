"""The contract of a task, for every task found, at its default parameters.

A task whose data no package index has gets small files in the true format of its data, and a small network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from public_data import supply
from torch import Tensor, nn
from torchmetrics import Metric

from breakeven.components.lengths import POOL, first_length, trimmed
from breakeven.data import cache
from breakeven.errors import CellFailure, Status
from breakeven.stages.evaluate.resampling import Sampled
from breakeven.task import Task
from breakeven.units import registry

NAMES = sorted(registry.units("tasks"))
PARTS = ("train", "val", "test")
First = dict[str, tuple[tuple[Tensor, ...], Tensor]]


@pytest.fixture(scope="module", params=NAMES)
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    with pytest.MonkeyPatch.context() as patch:
        text = supply(request.param, tmp_path_factory.mktemp(request.param), patch)
        yield registry.task(text)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def first(task: Task) -> First:
    """The first batch of each part."""
    torch.manual_seed(0)
    module = task.datamodule(seed=0)
    return {part: next(iter(getattr(module, f"{part}_dataloader")())) for part in PARTS}


@pytest.fixture(scope="module")
def model(task: Task) -> nn.Module:
    """An untrained model in eval mode."""
    torch.manual_seed(0)
    return task.model().eval()


@pytest.fixture(scope="module")
def few(task: Task, model: nn.Module, first: First) -> tuple[Tensor, Tensor]:
    """The model's predictions for a few test samples, and the targets."""
    inputs, target = first["test"]
    with torch.inference_mode():
        return task.predict(model, *trimmed(task, *(x[:8] for x in inputs))), target[:8]


@pytest.mark.parametrize("name", NAMES)
def test_states_what_it_is(name: str) -> None:
    task = registry.task(name)
    assert registry.find("tasks", name).group == task.domain
    assert task.version >= 1 and task.title and task.licence
    assert task.data_kind in {"recorded", "composed", "synthetic"}
    assert task.recipe.epochs > 0 and task.recipe.batch_size > 0 and task.recipe.batch_size % 2 == 0
    assert 0 < task.quality.target < 1 if task.quality.unit == "ratio" else task.quality.target > 0


@pytest.mark.slow
def test_preparing_in_another_cache_gives_the_same_data(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = task.prepare(), cache()
    for given in ("sources", "downloads"):
        (tmp_path / given).symlink_to(there / given)
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path))
    assert task.prepare() == here
    prepares_nothing = type(task).__name__ == "ImageNetFolder"  # it reads its pictures in place
    assert prepares_nothing or list((tmp_path / "prepared").glob("*.safetensors")), "it was not prepared again"


def test_batches_are_inputs_and_target_of_one_size(task: Task, first: First) -> None:
    for inputs, target in first.values():
        assert isinstance(inputs, tuple) and all(isinstance(x, Tensor) for x in inputs)
        assert {len(x) for x in inputs} == {len(target)} == {task.recipe.batch_size}
        assert all(torch.isfinite(x).all() for x in inputs if x.is_floating_point())
    forms = [[*forms_of(task, inputs), (target.dtype, target.shape[1:])] for inputs, target in first.values()]
    assert forms[0] == forms[1] == forms[2]


def forms_of(task: Task, inputs: tuple[Tensor, ...]) -> list:
    """Type and shape of each input, without the batch size and the varying length."""
    dimensions = task.lengths.dimensions if task.lengths else [None] * len(inputs)
    return [
        (x.dtype, [n for i, n in enumerate(x.shape) if i not in (0, d)])
        for x, d in zip(inputs, dimensions, strict=True)
    ]


def test_batches_are_as_long_as_their_longest_sample(task: Task, first: First) -> None:
    if task.lengths is None:
        pytest.skip("all of its samples are of one length")
    for inputs, _ in first.values():
        lengths = task.length_of(*inputs)
        assert lengths.dtype == torch.int64 and lengths.shape[0] == len(inputs[0]) and lengths.min() > 0
        assert [x.shape for x in trimmed(task, *inputs)] == [x.shape for x in inputs]
    pool = task.example_inputs(POOL)
    shortest = first_length(task, *pool).argmin().unsqueeze(0)
    one = trimmed(task, *(x[shortest] for x in pool))
    dimensions = [d for d in task.lengths.dimensions if d is not None]
    assert dimensions and any(one[i].shape != pool[i][:1].shape for i in range(len(one))), "none is shorter"


def test_parts_share_no_sample(task: Task) -> None:
    seen: list[set[bytes]] = []
    module = task.datamodule(seed=0)
    for part in PARTS:  # the stored samples: augmentation and normalisation come later
        inputs, _ = getattr(module, part)
        seen.append({b"".join(stored(x, i) for x in inputs) for i in range(min(3000, len(inputs[0])))})
    # a data set may hold the same picture or the same two words twice; a leak would share far more than that
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert len(seen[one] & seen[other]) <= 0.01 * len(seen[other])


def stored(samples: Tensor, i: int) -> bytes:
    """The stored bytes of a sample, from memory or from a file."""
    return samples[i].numpy().tobytes() if isinstance(samples, Tensor) else Path(samples.files[i]).read_bytes()


def test_the_seed_decides_the_order_of_training_and_nothing_else(task: Task) -> None:
    def target(seed: int, part: str) -> Tensor:
        return next(iter(getattr(task.datamodule(seed), f"{part}_dataloader")()))[1]

    assert torch.equal(target(1, "train"), target(1, "train"))
    assert not torch.equal(target(1, "train"), target(2, "train"))
    assert torch.equal(target(1, "test"), target(2, "test"))


def test_the_test_loader_runs_through_the_whole_test_set_in_order(task: Task) -> None:
    module = task.datamodule(seed=3)
    assert torch.equal(torch.cat([target for _, target in module.test_dataloader()]), module.test[1])


def test_examples_are_the_first_test_inputs(task: Task, first: First) -> None:
    inputs, target = first["test"]
    examples = task.example_inputs(len(target))
    assert isinstance(examples, tuple)
    for example, x in zip(trimmed(task, *examples), inputs, strict=True):
        assert example.dtype == x.dtype and torch.equal(example, x)
    for size in (1, 7):  # the number of examples does not change their length
        for fewer, example in zip(task.example_inputs(size), examples, strict=True):
            assert torch.equal(fewer, example[:size])


def test_training_steps_lower_the_loss_on_their_batch(task: Task, first: First) -> None:
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


def test_the_loss_is_the_mean_over_the_batch(task: Task, model: nn.Module, first: First) -> None:
    inputs, target = first["test"]
    with torch.inference_mode():
        outputs = model(*inputs)
        halves = [task.loss(part, t) for part, t in zip(outputs.chunk(2), target.chunk(2), strict=True)]
        assert torch.allclose(task.loss(outputs, target), sum(halves) / 2, rtol=1e-4)


def metrics_of(task: Task) -> dict[str, Metric]:
    """New instances of all metrics of the task, by name."""
    return {task.quality.metric: task.metric()} | task.other_metrics()


def test_metrics_give_a_value_and_start_afresh(task: Task, few: tuple[Tensor, Tensor]) -> None:
    metrics = metrics_of(task)
    assert len(metrics) == 1 + len(task.other_metrics()), "the quality is not among the others"
    for metric in metrics.values():
        metric.update(*few)
    values = {name: metric.compute() for name, metric in metrics.items()}
    assert all(isinstance(value, Tensor) and value.numel() == 1 for value in values.values())
    assert all(math.isfinite(value.item()) for value in values.values())
    quality = values[task.quality.metric].item()
    assert 0 <= quality <= 1 if task.quality.unit == "ratio" else quality >= 0
    assert all(new is not metrics[name] and new._update_count == 0 for name, new in metrics_of(task).items())


def test_metrics_are_put_together_from_single_samples(task: Task, few: tuple[Tensor, Tensor]) -> None:
    for name, at_once in metrics_of(task).items():
        at_once.update(*few)
        sampled = Sampled(metrics_of(task)[name])  # raises if a state is neither a sum nor a list
        sampled.update(*few)
        found = sampled.score(range(len(few[1])))
        assert found == pytest.approx(at_once.compute().item(), rel=1e-4, abs=1e-6), name


def test_the_metric_tells_right_from_wrong(task: Task, model: nn.Module, first: First) -> None:
    if task.quality.metric != "top1_accuracy":
        pytest.skip(f"{task.quality.metric}: what is right is not known here; the task's own tests know")
    target = first["test"][1]
    with torch.inference_mode():
        classes = model(*task.example_inputs(1)).shape[1]
    for shift, value in ((0, 1.0), (1, 0.0)):
        metric = task.metric()
        metric.update(torch.nn.functional.one_hot((target + shift) % classes, classes).float(), target)
        assert metric.compute().item() == value


def test_a_sample_gets_the_same_output_alone_and_in_a_batch(task: Task, model: nn.Module) -> None:
    inputs = task.example_inputs(5)
    with torch.inference_mode():
        together = model(*inputs)
        alone = torch.cat([model(*(x[i : i + 1] for x in inputs)) for i in range(5)])
    assert together.shape[0] == 5 and together.dtype == torch.float32
    assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_padding_changes_nothing(task: Task, model: nn.Module) -> None:
    if task.lengths is None:
        pytest.skip("all of its samples are of one length")
    pool = task.example_inputs(POOL)
    order = first_length(task, *pool).argsort()
    batch = trimmed(task, *(x[order[[0, len(order) // 4, len(order) // 2, -1]]] for x in pool))
    with torch.inference_mode():
        together = model(*batch)
        for i in range(4):
            inputs = trimmed(task, *(x[i : i + 1] for x in batch))
            alone = model(*inputs)
            one, other = both_real(task, inputs, alone, together[i : i + 1])
            assert one.numel() and torch.allclose(one, other, rtol=1e-3, atol=1e-4), f"sample {i}"


def both_real(task: Task, inputs: tuple[Tensor, ...], alone: Tensor, together: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs of a sample in two batches. If they differ in length, the outputs for the padding are cut off."""
    lengths = task.length_of(*inputs).reshape(-1).expand(len(inputs)).tolist()
    sizes = [(n, x.shape[d]) for n, x, d in zip(lengths, inputs, task.lengths.dimensions, strict=True) if d is not None]
    for dim in range(1, alone.dim()):
        if alone.shape[dim] != together.shape[dim]:
            real = min(alone.shape[dim] * n // size for n, size in sizes)
            alone, together = alone.narrow(dim, 0, real), together.narrow(dim, 0, real)
    return alone, together


def test_a_student_is_a_smaller_model_of_the_same_call_or_the_task_says_why_not(task: Task, model: nn.Module) -> None:
    inputs = task.example_inputs(3)
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
