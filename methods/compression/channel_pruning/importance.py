"""What a weight is worth, and the gradients that one of the measures needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from breakeven.method import Batch


def worth(weight: nn.Parameter, importance: str) -> Tensor:
    """What each element counts for; to be summed over all that belong to a channel."""
    if importance == "taylor":
        return (weight * weight.grad).abs().detach()
    return weight.detach().abs() ** (1 if importance == "l1" else 2)


def gradients(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], batches: Iterator[Batch]) -> None:
    """Leave the loss's gradients in the parameters: zeros where the loss does not depend on one."""
    for inputs, target in batches:
        loss(model(*inputs), target).backward()
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
