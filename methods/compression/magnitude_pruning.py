"""Magnitude pruning: the smallest weights of the whole model become zero, then the other weights are fine-tuned. With
several iterations, pruning and fine-tuning take turns, with more zeros every time.

Reference: Han et al. 2015, "Learning both weights and connections for efficient neural networks", arXiv:1506.02626,
with one global threshold on the absolute value. Several iterations follow the cubic schedule of Zhu & Gupta 2017, "To
prune, or not to prune", arXiv:1710.01878: most zeros come early, when there is most to spare.
Limits: zeros are stored and multiplied like any number, so dense kernels get no faster, and the file no smaller until
it is packed. The method prunes weights of linear, convolution and recurrent layers; it leaves embeddings and biases
alone. Every iteration fine-tunes with its own learning-rate cycle, on its share of the epochs.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MagnitudePruning(CompressionMethod):
    """Zeroes the weights of least absolute value, the share `sparsity` of all."""

    reference: ClassVar[str] = "arXiv:1506.02626"
    changes: ClassVar[Change] = "zeros"

    sparsity: float = Field(0.8, gt=0, lt=1, description="share of the weights set to zero")
    fine_tuning: float = Field(
        0.25, ge=0, description="share of the task's training epochs, run again while zeros stay zero"
    )
    iterations: int = Field(1, ge=1, le=100, description="turns of pruning and fine-tuning, which share the epochs")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from torch.nn.utils import prune

        pruned = deepcopy(model)
        weights = _weights(pruned)
        if not weights:
            raise CellFailure(
                "unsupported", "the model has no linear, convolution or recurrent layer: leave the method out"
            )
        for turn in range(1, self.iterations + 1):
            share = self.sparsity * (1 - (1 - turn / self.iterations) ** 3)
            prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=share)
            for module, name in weights:
                prune.remove(module, name)
            if self.fine_tuning:
                context.fine_tune(pruned, self.fine_tuning * context.task.recipe.epochs / self.iterations)
        return pruned.eval()


def _weights(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the weights to prune, as (module, parameter's name)."""
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    found: list[tuple[nn.Module, str]] = []
    for module in model.modules():
        if isinstance(module, (nn.Linear, _ConvNd)):
            found.append((module, "weight"))
        elif isinstance(module, nn.RNNBase):
            found += [(module, name) for name, _ in module.named_parameters() if name.startswith("weight_")]
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found.append((module, "in_proj_weight"))
    return found
