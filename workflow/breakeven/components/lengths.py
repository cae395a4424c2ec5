"""Samples of varying length: a batch is cut to its longest, so that no time goes to padding that nobody needs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from breakeven.components.exporting import Examples
from breakeven.task import Lengths, Task

POOL = 64  # test samples among which to look for a short one
PERCENTILES = {"length_p10": 10, "length_p50": 50, "length_p90": 90, "length_max": 100}


def examples(task: Task, batch_size: int) -> tuple[Tensor, ...]:
    """The task's example inputs; where their length varies they say so, and bring a short sample along."""
    inputs = task.example_inputs(batch_size)
    if task.lengths is None:
        return inputs
    pool = task.example_inputs(POOL)
    shortest = first_length(task, *pool).argmin().unsqueeze(0)
    found = Examples(inputs)
    found.dimensions, found.shorter = task.lengths.dimensions, trimmed(task, *(x[shortest] for x in pool))
    return found


def trimmed(task: Task, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The inputs of a batch, each cut to its longest sample."""
    if task.lengths is None:
        return inputs
    longest = task.length_of(*inputs).reshape(len(inputs[0]), -1).amax(0).expand(len(inputs)).tolist()
    return tuple(
        x if d is None else x.narrow(d, 0, _rounded(task.lengths, length, x.shape[d])).contiguous()
        for x, d, length in zip(inputs, task.lengths.dimensions, longest, strict=True)
    )


def fields(task: Task, *inputs: Tensor) -> dict[str, str | float]:
    """What a row says of the lengths of these samples; nothing where all are as long."""
    if task.lengths is None:
        return {}
    values = np.percentile(first_length(task, *inputs).numpy(), list(PERCENTILES.values())).tolist()
    return {"length_unit": task.lengths.unit, **dict(zip(PERCENTILES, values, strict=True))}


def first_length(task: Task, *inputs: Tensor) -> Tensor:
    """The length of each sample by its first input, int64 [batch]."""
    return task.length_of(*inputs).reshape(len(inputs[0]), -1)[:, 0]


def spread_evenly(lengths: Tensor, seed: int) -> Tensor:
    """An order in which any few samples in a row have nearly the lengths of all: short timings of other inputs agree.

    The sorted lengths are visited in steps of the golden ratio (Weyl's low-discrepancy sequence), from a seeded start.
    """
    start = torch.rand(1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    golden = (5**0.5 - 1) / 2
    visits = (start + golden * torch.arange(len(lengths), dtype=torch.float64)) % 1
    return lengths.argsort(stable=True)[visits.argsort().argsort()]


def _rounded(lengths: Lengths, length: int, most: int) -> int:
    return min(-(-length // lengths.multiple) * lengths.multiple, most)
