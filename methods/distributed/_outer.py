"""Runs DiLoCo's outer loop."""

from __future__ import annotations

from typing import cast

import pytorch_lightning as pl
from torch import nn
from torch.optim import SGD

from ._averaging import Meetings


class OuterSteps(Meetings):
    """At each meeting, takes a step of SGD from the last common model; the processes' mean change is its gradient."""

    def __init__(self, every: int, rate: float, momentum: float) -> None:
        super().__init__(every)
        self.rate, self.momentum = rate, momentum

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        """Copy the common model, and make the outer optimiser."""
        self.common = [nn.Parameter(p.detach().clone()) for p in cast(nn.Module, learner.model).parameters()]
        self.optimizer = SGD(self.common, lr=self.rate, momentum=self.momentum, nesterov=self.momentum > 0)

    def meet(self, model: nn.Module) -> None:
        """Leave the next common model in all processes: arXiv:2311.08105, algorithm 1."""
        super().meet(model)
        for common, mean in zip(self.common, model.parameters(), strict=True):
            common.grad = common - mean
        self.optimizer.step()
        for common, own in zip(self.common, model.parameters(), strict=True):
            own.copy_(common)
