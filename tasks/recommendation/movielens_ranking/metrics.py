"""What information retrieval measures of one user's ranking, averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import MeanMetric

FIRST = 10  # ranks that count


class MeanOverUsers(MeanMetric):
    """The mean over users of a function of torchmetrics of each one's scores, which candidates are right, and `top_k`.

    Its states are sums over users, where torchmetrics' own classes need a number for every query.
    """

    def __init__(self, of_user: Callable[..., Tensor]) -> None:
        super().__init__()
        self.of_user = of_user

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Take in scores and what is right, both [batch, candidates]."""
        values = [self.of_user(scores, right, top_k=FIRST) for scores, right in zip(outputs, target, strict=True)]
        super().update(torch.stack(values))
