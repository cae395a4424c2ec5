"""Saves and loads torch modules, and describes them for a record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from breakeven.components.arithmetic import count_flops
from breakeven.stages.artifact import Artifact
from breakeven.task import Task


def save_module(model: nn.Module, path: Path) -> None:
    """Save the whole module, because a pruned one no longer has the shape that its class would build."""
    torch.save(model.eval(), path)


def load_module(path: Path) -> nn.Module:
    """Load a module that this pipeline saved. The caller has verified the file's sha256."""
    return torch.load(path, weights_only=False, map_location="cpu").eval()


def describe_module(artifact: Artifact, model: nn.Module, task: Task) -> None:
    """Record the size and the arithmetic of a module. Later exports keep these figures."""
    artifact.parameters, artifact.nonzero_parameters = count_parameters(model)
    artifact.flops, artifact.nonzero_flops = count_flops(model, task.example_inputs(1))


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Count all weights and biases, and the nonzero ones, including those packed inside quantised layers."""
    plain = (p.dequantize() if is_traceable_wrapper_subclass(p) else p for p in model.parameters())
    tensors = [*plain, *_packed(model)]
    return sum(t.numel() for t in tensors), sum(int(torch.count_nonzero(t)) for t in tensors)


def _packed(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        packed = getattr(module, "_packed_params", None)
        if isinstance(module, (quantized.Conv1d, quantized.Conv2d)):
            weight, bias = module.weight(), module.bias()
        elif hasattr(packed, "_weight_bias"):
            weight, bias = packed._weight_bias()  # type: ignore[union-attr]
        else:
            continue
        yield weight.int_repr() if weight.is_quantized else weight
        if bias is not None:
            yield bias
