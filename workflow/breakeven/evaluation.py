"""Quality of a model file in the runtime that serves it, on the full test set, with an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from breakeven.hardware import HardwareProfile
from breakeven.method import Runtime
from breakeven.record import Status
from breakeven.task import Task

RESAMPLES = 300  # of the test set, for the 95 % interval


@dataclass(kw_only=True)
class Evaluation:
    """The quality of one artifact."""

    status: Status = Status.OK
    reason: str | None = None
    artifact_sha256: str | None = None
    quality: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n_eval: int | None = None


def evaluate_file(path: Path, sha256: str, runtime: Runtime, task: Task, hardware: HardwareProfile) -> Evaluation:
    """The quality of the model in the file `path`, as the runtime serves it."""
    result = evaluate(runtime.load(path, hardware), task, hardware)
    result.artifact_sha256 = sha256
    return result


def evaluate(model: Callable[..., Tensor], task: Task, hardware: HardwareProfile) -> Evaluation:
    """The quality of a callable model on the task's test set; the interval is a bootstrap over its samples."""
    outputs, targets = _predict(model, task, "cuda" if hardware.accelerator == "cuda" else "cpu")

    def score(indices: np.ndarray) -> float:
        metric = task.metric()
        metric.update(outputs[indices], targets[indices])
        return metric.compute().item()

    samples = np.arange(len(targets))
    interval = bootstrap(
        (samples,),
        score,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Evaluation(
        quality=score(samples), ci_low=float(interval.low), ci_high=float(interval.high), n_eval=len(targets)
    )


def _predict(model: Callable[..., Tensor], task: Task, device: str) -> tuple[Tensor, Tensor]:
    data = task.datamodule(seed=0)
    data.prepare_data()
    data.setup("test")
    outputs, targets = [], []
    with torch.inference_mode():
        for inputs, target in data.test_dataloader():
            outputs.append(model(*(x.to(device) for x in inputs)).cpu())
            targets.append(target)
    return torch.cat(outputs), torch.cat(targets)
