"""Makes the thinner layers that replace one layer, and compares their costs."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from torch import Tensor, nn

from .decomposition import FORMS, Truncation, decompose


def factorise(layer: nn.Module, truncation: Truncation, convolution: str = "channel") -> nn.Sequential:
    """Return thinner layers that replace a linear, convolution or embedding layer.

    Args:
        convolution: the form for convolutions, one of FORMS.

    Raises:
        CellFailure: the factors' product is further from the weight than truncation explains.
    """
    weight = _weight(layer).detach()
    # The other forms save something only where a kernel slides over two axes.
    form = FORMS[convolution if weight.dim() == 4 and prod(weight.shape[2:]) > 1 else "channel"]
    values = decompose(weight, form, truncation)
    if isinstance(layer, nn.Embedding):
        width, table = values  # a look-up does first the step that a linear layer does last
        rows, rank = table.shape
        layers = [
            nn.Embedding(rows, rank, padding_idx=layer.padding_idx),
            nn.Linear(width.shape[0], width.shape[1], bias=False),
        ]
        values = [table, width.T]
    elif isinstance(layer, nn.Linear):
        layers = [nn.Linear(x.shape[1], x.shape[0], bias=False) for x in values]
    else:
        given = cast(nn.Conv1d | nn.Conv2d, layer)
        layers = [_convolution(given, x, axes) for x, axes in zip(values, form.axes, strict=True)]
    for factor, x in zip(layers, values, strict=True):
        factor.weight = nn.Parameter(x.reshape(_weight(factor).shape).clone())
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        layers[-1].bias = nn.Parameter(bias.detach().clone())
    return nn.Sequential(*layers)


def cost(*layers: nn.Module) -> int:
    """Count the multiplications of layers called in turn, per position of the output, without its edges.

    The count is never below the number of weights.
    """
    total, positions = 0, 1
    for layer in reversed(layers):
        total += positions * _weight(layer).numel()
        positions *= prod(getattr(layer, "stride", ()))  # the layer before it works at a higher resolution
    return total


def _weight(layer: nn.Module) -> Tensor:
    return cast(Tensor, layer.weight)


def _convolution(layer: nn.Conv1d | nn.Conv2d, weight: Tensor, axes: tuple[int, ...]) -> nn.Module:
    """Make a convolution that slides as the given layer does over these axes, and is 1 wide along the others."""

    def own(setting: tuple[int, ...], neutral: int) -> Any:  # a tuple as long as the kind of layer has axes
        return tuple(x if axis in axes else neutral for axis, x in enumerate(setting))

    return type(layer)(
        weight.shape[1],
        weight.shape[0],
        own(layer.kernel_size, 1),
        own(layer.stride, 1),
        layer.padding if isinstance(layer.padding, str) else own(layer.padding, 0),
        own(layer.dilation, 1),
        bias=False,
        padding_mode=layer.padding_mode if axes else "zeros",
    )
