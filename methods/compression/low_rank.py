"""Low-rank factorisation: each weight matrix becomes the product of two thinner ones, by truncated SVD.

Reference: Zhang et al. 2015, arXiv:1505.06798, on the weights alone: a k×k convolution becomes one of k×k to `rank`
channels and one of 1×1; a linear layer becomes two. The rank keeps the share `energy` of the squared singular values.
Limits: layers that would not get cheaper stay as they are, grouped convolutions and recurrent layers too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LowRank(CompressionMethod):
    """Factorises linear and convolution layers, then fine-tunes."""

    reference: ClassVar[str] = "arXiv:1505.06798"

    energy: float = Field(0.8, gt=0, le=1, description="share of the squared singular values kept, per layer")
    fine_tuning: float = Field(0.25, ge=0, description="share of the task's training epochs, run again")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from torch import nn

        thin = deepcopy(model)
        replaced = 0
        for parent in list(thin.modules()):
            if isinstance(parent, nn.TransformerEncoderLayer):
                parent.activation_relu_or_gelu = 0  # its fused path would read the weights of its linear layers
            for name, layer in filter(_factorisable, list(parent.named_children())):
                factors = factorise(layer, self.energy)
                if _weights(factors) < _weights(layer):
                    setattr(parent, name, factors)
                    replaced += 1
        if not replaced:
            raise CellFailure("unsupported", f"no layer gets cheaper at energy {self.energy:g}: lower it")
        if self.fine_tuning:
            context.fine_tune(thin, self.fine_tuning * context.task.recipe.epochs)
        return thin.eval()


def factorise(layer: nn.Module, energy: float) -> nn.Sequential:
    """Two layers in place of a linear or convolution layer.

    Raises:
        CellFailure: their product is further from the weight than truncation explains (Eckart–Young).
    """
    import torch

    weight = layer.weight.detach().flatten(1).double()
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    kept = s.square().cumsum(0) / s.square().sum()
    rank = min(int((kept < energy).sum()) + 1, len(s))
    root = s[:rank].sqrt()  # shared evenly, so that both factors train at the same pace
    first, second = root[:, None] * v[:rank], u[:, :rank] * root
    error = ((weight - second @ first).norm() / weight.norm()).item()
    if error > (1 - energy) ** 0.5 + 1e-6:
        raise CellFailure("method_error", f"factors miss a weight by {error:.3f} at energy {energy:g}: raise it")
    pair = _pair(layer, rank)
    for factor, values in zip(pair, (first, second), strict=True):
        factor.weight.data.copy_(values.view_as(factor.weight))
    if layer.bias is not None:
        pair[1].bias.data.copy_(layer.bias)
    return pair


def _pair(layer: nn.Module, rank: int) -> nn.Sequential:
    """The two layers, their weights yet to be set."""
    from torch import nn

    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        first = nn.Linear(layer.in_features, rank, bias=False)
        return nn.Sequential(first, nn.Linear(rank, layer.out_features, bias=bias))
    how = {key: getattr(layer, key) for key in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}
    first = nn.Conv2d(layer.in_channels, rank, **how, bias=False)
    return nn.Sequential(first, nn.Conv2d(rank, layer.out_channels, 1, bias=bias))


def _factorisable(child: tuple[str, nn.Module]) -> bool:
    from torch import nn

    # Subclasses may be read in ways of their own, such as the projection of nn.MultiheadAttention.
    return type(child[1]) is nn.Linear or (type(child[1]) is nn.Conv2d and child[1].groups == 1)


def _weights(module: nn.Module) -> int:
    """Weights but for the biases: also in proportion to the multiplications of a call."""
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)
