"""Quantises the weights of a module, by torchao."""

from copy import deepcopy

from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

from breakeven.errors import CellFailure


def quantise(model: nn.Module) -> nn.Module:
    """Return a copy of the model with the weights of linear layers in 8 bits.

    Raises:
        CellFailure: `unsupported`, where the model has no linear layer.
    """
    if not any(type(module) is nn.Linear for module in model.modules()):
        raise CellFailure("unsupported", "the model has no linear layer: leave the method out")
    packed = deepcopy(model).eval()
    quantize_(packed, Int8WeightOnlyConfig())
    for module in packed.modules():
        vars(module).pop("extra_repr", None)  # torchao adds it, and it cannot be pickled
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # its fused path would read its linear layers' weights
    return packed
