"""Measures of a weight's worth, and the gradients that one of them needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from breakeven.method import Batch, Loss


def worth(weight: nn.Parameter, importance: str) -> Tensor:
    """Return the worth of each element; a channel's worth is the sum over its elements."""
    if importance == "taylor":
        return (weight * cast(Tensor, weight.grad)).abs().detach()
    return weight.detach().abs() ** (1 if importance == "l1" else 2)


def gradients(model: nn.Module, loss: Loss, batches: Iterator[Batch]) -> None:
    """Leave the loss's gradients in the parameters; zeros where the loss does not depend on a parameter."""
    for inputs, target in batches:
        loss(model(*inputs), target).backward()
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
