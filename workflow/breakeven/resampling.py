"""The states of a metric, sample by sample: any selection of samples is scored without another look at the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat, dim_zero_sum

SUMS, LISTS = {dim_zero_sum}, {dim_zero_cat, None}


class Sampled:
    """A metric whose states are sums over samples, or lists with the entries of each; it is updated one by one.

    Raises:
        TypeError: a state is neither, such as a running mean: it cannot be put together again.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        reductions = metric._reductions  # torchmetrics shows the states alone in public
        for name, reduction in reductions.items():
            if reduction not in (LISTS if isinstance(getattr(metric, name), list) else SUMS):
                kind = type(metric).__name__
                raise TypeError(
                    f"{kind}: its state '{name}' is neither a sum nor a list: choose a metric made of those"
                )
        self.sums: dict[str, Any] = {name: [] for name, r in reductions.items() if r in SUMS}
        self.lists: dict[str, list[list]] = {name: [] for name in reductions if name not in self.sums}

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in a batch."""
        for i in range(len(target)):
            self.metric.reset()
            self.metric.update(outputs[i : i + 1], target[i : i + 1])
            for name, values in (self.sums | self.lists).items():
                values.append(copy(getattr(self.metric, name)))

    def stacked(self) -> Sampled:
        """Ready to be scored: the sums of all samples in one array each."""
        self.shapes = {name: (values[0].shape, values[0].dtype) for name, values in self.sums.items()}
        self.sums = {
            name: torch.stack(values).double().reshape(len(values), -1).numpy() for name, values in self.sums.items()
        }
        return self

    def score(self, chosen: Sequence[int] | np.ndarray) -> float:
        """The metric over these samples; one that occurs twice counts twice."""
        self.metric.reset()
        if self.sums:
            counts = np.bincount(chosen, minlength=len(next(iter(self.sums.values()))))
        for name, values in self.sums.items():
            shape, dtype = self.shapes[name]
            setattr(self.metric, name, torch.from_numpy(counts @ values).reshape(shape).to(dtype))
        for name, lists in self.lists.items():
            setattr(self.metric, name, [entry for i in chosen for entry in lists[i]])
        self.metric._update_count = len(chosen)  # or it warns that it has seen nothing
        return float(self.metric.compute())
