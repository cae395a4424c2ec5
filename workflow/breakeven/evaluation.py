"""Quality of a model file in the runtime that serves it, on the full test set, with an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from breakeven import outputs as checks
from breakeven.hardware import HardwareProfile
from breakeven.method import Runtime
from breakeven.record import Status
from breakeven.task import Task

Part = Literal["val", "test"]
RESAMPLES = 1000  # of the test set, for the 95 % interval


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
    outputs_sha256: str | None = None
    # The quality of each resampled test set. The same samples are drawn for every artifact of a task, so two of these
    # lists are paired.
    resampled: list[float] = field(default_factory=list)


def evaluate_file(
    path: Path, sha256: str, runtime: Runtime, task: Task, hardware: HardwareProfile, outputs: Path
) -> Evaluation:
    """The quality of the model in the file `path`, as the runtime serves it; leaves a few outputs in `outputs`."""
    model = runtime.load(path, hardware)
    result = evaluate(model, task, hardware)
    result.artifact_sha256 = sha256
    result.outputs_sha256 = checks.write(checks.outputs_of(model, task, hardware), outputs)
    return result


def evaluate(model: Callable[..., Tensor], task: Task, hardware: HardwareProfile) -> Evaluation:
    """The quality of a callable model on the task's test set; the interval is a bootstrap over its samples."""
    outputs, targets = _predict(model, task, "test", checks.device_of(hardware))

    def score_of(indices: np.ndarray) -> float:
        metric = task.metric()
        metric.update(outputs[indices], targets[indices])
        return metric.compute().item()

    samples = np.arange(len(targets))
    resampling = bootstrap(
        (samples,),
        score_of,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(0),
    )
    return Evaluation(
        quality=score_of(samples),
        ci_low=float(resampling.confidence_interval.low),
        ci_high=float(resampling.confidence_interval.high),
        n_eval=len(targets),
        resampled=resampling.bootstrap_distribution.tolist(),
    )


def score(model: Callable[..., Tensor], task: Task, part: Part) -> float:
    """The quality of a callable model on a part of the data, on the CPU."""
    metric = task.metric()
    metric.update(*_predict(model, task, part, "cpu"))
    return metric.compute().item()


def _predict(model: Callable[..., Tensor], task: Task, part: Part, device: str) -> tuple[Tensor, Tensor]:
    data = task.datamodule(seed=0)
    data.prepare_data()
    data.setup("test" if part == "test" else "validate")
    outputs, targets = [], []
    with torch.inference_mode():
        for inputs, target in data.test_dataloader() if part == "test" else data.val_dataloader():
            outputs.append(model(*(x.to(device) for x in inputs)).cpu())
            targets.append(target)
    return torch.cat(outputs), torch.cat(targets)
