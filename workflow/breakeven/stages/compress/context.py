"""The aids of a compression beside the model: the task's data, its training and its validation set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from torch import Tensor, nn

from breakeven.hardware import HardwareProfile
from breakeven.method import Batch, CompressionContext, Teaching
from breakeven.stages.evaluate import quality
from breakeven.stages.train import fit
from breakeven.task import Task
from breakeven.units import registry


def make_context(task: Task, seed: int, hardware: HardwareProfile) -> CompressionContext:
    """Make the context for compressing this task's model, with fine-tuning on this hardware."""
    plain = registry.method("single_device")

    def fine_tune(model: nn.Module, epochs: float, *, rate: float = 0.3, teaching: Teaching | None = None) -> None:
        peak = rate * task.recipe.learning_rate
        with fit.zeros_held(model):
            fit.fit(task, model, plain, hardware, seed, epochs, peak, validate=False, teaching=teaching)  # type: ignore[arg-type]

    def validate(model: Callable[..., Tensor]) -> float:
        return quality.score(model, task, "val")

    return CompressionContext(task, seed, fine_tune, partial(training_samples, task, seed), validate)


def training_samples(task: Task, seed: int, samples: int) -> Iterator[Batch]:
    """Yield inputs and target of `samples` training samples, in batches."""
    data = task.datamodule(seed)
    data.prepare_data()
    data.setup("fit")
    for inputs, target in data.train_dataloader():
        taken = min(samples, len(target))
        samples -= taken
        yield tuple(x[:taken] for x in inputs), target[:taken]
        if not samples:
            return
