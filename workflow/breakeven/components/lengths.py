"""Samples of varying length: cuts a batch to its longest sample, so that no time goes into needless padding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from breakeven.components.exporting import Examples
from breakeven.task import Task

POOL = 64  # test samples among which a short one is looked for
PERCENTILES = {"length_p10": 10, "length_p50": 50, "length_p90": 90, "length_max": 100}


def examples(task: Task, batch_size: int) -> tuple[Tensor, ...]:
    """Return the task's example inputs for a number of samples, on the CPU.

    Where the samples' length varies, returns `Examples` with its varying dimensions and one short sample.
    """
    inputs = task.example_inputs(batch_size)
    if task.lengths is None:
        return inputs
    pool = task.example_inputs(POOL)
    shortest = first_length(task, *pool).argmin().unsqueeze(0)
    found = Examples(inputs)
    found.dimensions, found.shorter = task.lengths.dimensions, trimmed(task, *(x[shortest] for x in pool))
    return found


def trimmed(task: Task, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Cut the inputs of a batch to its longest sample: see `Task.trimmed`."""
    return task.trimmed(*inputs)


def fields(task: Task, *inputs: Tensor) -> dict[str, str | float]:
    """Return a row's columns on the lengths of these samples: unit and percentiles; empty where all are as long."""
    if task.lengths is None:
        return {}
    values = np.percentile(first_length(task, *inputs).numpy(), list(PERCENTILES.values())).tolist()
    return {"length_unit": task.lengths.unit, **dict(zip(PERCENTILES, values, strict=True))}


def first_length(task: Task, *inputs: Tensor) -> Tensor:
    """Return the length of each sample's first input, int64 [batch], in the task's unit of length."""
    return task.length_of(*inputs).reshape(len(inputs[0]), -1)[:, 0]


def spread_evenly(lengths: Tensor, seed: int) -> Tensor:
    """Return an order, int64 [samples], in which any few samples in a row have nearly the lengths of all.

    Short timings on other inputs then agree. The order visits the sorted lengths in steps of the golden ratio (Weyl's
    low-discrepancy sequence), from a seeded start.

    Args:
        lengths: one per sample, [samples].
    """
    start = torch.rand(1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    golden = (5**0.5 - 1) / 2
    visits = (start + golden * torch.arange(len(lengths), dtype=torch.float64)) % 1
    return lengths.argsort(stable=True)[visits.argsort().argsort()]
