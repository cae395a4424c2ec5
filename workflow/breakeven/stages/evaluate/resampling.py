"""Per-sample states of a metric, so that a bootstrap scores any selection of samples without the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat, dim_zero_sum

SUMS, LISTS = {dim_zero_sum}, {dim_zero_cat, None}


class Sampled:
    """A metric split into per-sample states. Each state must be a sum over samples or a list of the samples' entries.

    Raises:
        TypeError: a state is neither a sum nor a list, such as a running mean, so it cannot be put together again.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        reductions = metric._reductions  # torchmetrics has no public access to the reductions
        for name, reduction in reductions.items():
            if reduction not in (LISTS if isinstance(getattr(metric, name), list) else SUMS):
                kind = type(metric).__name__
                raise TypeError(
                    f"{kind}: its state '{name}' is neither a sum nor a list: choose a metric made of those"
                )
        self.lists = [name for name, reduction in reductions.items() if reduction not in SUMS]
        self.samples: list[dict[str, Any]] = []  # the states after each single sample

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Add a batch, sample by sample."""
        for i in range(len(target)):
            self.metric.reset()
            self.metric.update(outputs[i : i + 1], target[i : i + 1])
            self.samples.append({name: copy(state) for name, state in self.metric.metric_state.items()})

    def score(self, chosen: Sequence[int] | np.ndarray) -> float:
        """Score the chosen samples, given by index. A sample chosen twice counts twice."""
        self.metric.reset()
        counts = np.bincount(chosen, minlength=len(self.samples))
        for name, values in self._sums.items():
            state = self.samples[0][name]
            setattr(self.metric, name, torch.from_numpy(counts @ values).reshape(state.shape).to(state.dtype))
        for name in self.lists:
            setattr(self.metric, name, [entry for i in chosen for entry in self.samples[i][name]])
        self.metric._update_count = len(chosen)  # otherwise the metric warns that it has seen no data
        return float(self.metric.compute())

    @cached_property
    def _sums(self) -> dict[str, np.ndarray]:
        """Stack the sum states, one row per sample: made at the first score, after the last update."""
        names = [name for name in self.samples[0] if name not in self.lists]
        stacked = {name: torch.stack([states[name] for states in self.samples]).double() for name in names}
        return {name: x.reshape(len(x), -1).numpy() for name, x in stacked.items()}
