"""The quality of a model file in its runtime, on the full test set, with a confidence interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from breakeven.errors import Status
from breakeven.hardware import HardwareProfile
from breakeven.method import Runtime
from breakeven.protocol import RESAMPLES, SLOW_RESAMPLES
from breakeven.stages import outputs as checks
from breakeven.stages.evaluate.resampling import Sampled
from breakeven.task import Task

Part = Literal["val", "test"]


@dataclass(kw_only=True)
class Evaluation:
    """The quality of one artifact, or the reason why there is none."""

    status: Status = Status.OK
    reason: str | None = None
    artifact_sha256: str | None = None
    quality: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n_eval: int | None = None
    outputs_sha256: str | None = None
    # The quality of each resampled test set. Every artifact of a task is scored on the same draws, so two of these
    # lists are paired.
    resampled: list[float] = field(default_factory=list)
    others: dict[str, float] = field(default_factory=dict)  # further metrics by name


def evaluate_file(
    path: Path, sha256: str, runtime: Runtime, task: Task, hardware: HardwareProfile, outputs: Path
) -> Evaluation:
    """Evaluate the model in the file `path` with its runtime, and store a few outputs in `outputs`."""
    model = runtime.load(path, hardware)
    result = evaluate(model, task, hardware)
    result.artifact_sha256 = sha256
    result.outputs_sha256 = checks.write(checks.outputs_of(model, task, hardware), outputs)
    return result


def evaluate(model: Callable[..., Tensor], task: Task, hardware: HardwareProfile) -> Evaluation:
    """Evaluate a callable model on the task's test set. The interval is a bootstrap over the samples."""
    sampled, others, samples = Sampled(task.metric()), task.other_metrics(), 0
    for outputs, target in _predictions(model, task, "test", checks.device_of(hardware)):
        sampled.update(outputs, target)
        for metric in others.values():
            metric.update(outputs, target)
        samples += len(target)
    resampling = bootstrap(
        (np.arange(samples),),
        sampled.score,
        n_resamples=SLOW_RESAMPLES if sampled.lists else RESAMPLES,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    )
    return Evaluation(
        quality=sampled.score(range(samples)),
        ci_low=float(resampling.confidence_interval.low),
        ci_high=float(resampling.confidence_interval.high),
        n_eval=samples,
        resampled=resampling.bootstrap_distribution.tolist(),
        others={name: float(metric.compute()) for name, metric in others.items()},
    )


def score(model: Callable[..., Tensor], task: Task, part: Part) -> float:
    """Score a callable model on a part of the data, on the CPU."""
    metric = task.metric()
    for outputs, target in _predictions(model, task, part, "cpu"):
        metric.update(outputs, target)
    return float(metric.compute())


def _predictions(model: Callable[..., Tensor], task: Task, part: Part, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the model's predictions for a part and the targets, batch by batch."""
    data = task.datamodule(seed=0)
    data.prepare_data()
    data.setup("test" if part == "test" else "validate")
    with torch.inference_mode():
        for inputs, target in data.test_dataloader() if part == "test" else data.val_dataloader():
            yield task.predict(model, *(x.to(device) for x in inputs)).cpu(), target
