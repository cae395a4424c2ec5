"""Averages a ranking measure of information retrieval over users."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import MeanMetric

FIRST = 10  # only the first ten ranks count


class MeanOverUsers(MeanMetric):
    """The mean over users of a measure of torchmetrics.

    Its states are sums over users. torchmetrics' own classes need a number for each query instead.

    Args:
        of_user: the measure, called as `of_user(scores, right, top_k=…)`.
    """

    def __init__(self, of_user: Callable[..., Tensor]) -> None:
        super().__init__()
        self.of_user = of_user

    def update(self, outputs: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Take in scores and targets, both [batch, candidates]; a target is true for the film to find."""
        values = [self.of_user(scores, right, top_k=FIRST) for scores, right in zip(outputs, target, strict=True)]
        super().update(torch.stack(values))
