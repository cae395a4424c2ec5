"""The layers that take the place of one."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from .decomposition import FORMS, Truncation, decompose


def factorise(layer: nn.Module, truncation: Truncation, convolution: str = "channel") -> nn.Sequential:
    """Thinner layers in place of a linear, convolution or embedding layer.

    Raises:
        CellFailure: their product is further from the weight than truncation explains.
    """
    weight = layer.weight.detach()
    # A layer without two axes to slide over has nothing that the other forms could save.
    form = FORMS[convolution if weight.dim() == 4 and prod(weight.shape[2:]) > 1 else "channel"]
    values = decompose(weight, form, truncation)
    if isinstance(layer, nn.Embedding):
        width, table = values  # what a linear layer does last, a look-up does first
        layers = [nn.Embedding(*table.shape, padding_idx=layer.padding_idx), nn.Linear(*width.shape, bias=False)]
        values = [table, width.T]
    elif isinstance(layer, nn.Linear):
        layers = [nn.Linear(x.shape[1], x.shape[0], bias=False) for x in values]
    else:
        layers = [_convolution(layer, x, axes) for x, axes in zip(values, form.axes, strict=True)]
    for factor, x in zip(layers, values, strict=True):
        factor.weight = nn.Parameter(x.reshape(factor.weight.shape).clone())
    if getattr(layer, "bias", None) is not None:
        layers[-1].bias = nn.Parameter(layer.bias.detach().clone())
    return nn.Sequential(*layers)


def cost(*layers: nn.Module) -> int:
    """Multiplications of layers called in turn, by position of the output and edges aside; no fewer than weights."""
    total, positions = 0, 1
    for layer in reversed(layers):
        total += positions * layer.weight.numel()
        positions *= prod(getattr(layer, "stride", ()))  # the layer before it works at a higher resolution
    return total


def _convolution(layer: nn.Conv1d | nn.Conv2d, weight: Tensor, axes: tuple[int, ...]) -> nn.Module:
    """One that slides as the given layer does over these axes, and is one position wide on the others."""

    def own(setting: tuple[int, ...], neutral: int) -> tuple[int, ...]:
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
