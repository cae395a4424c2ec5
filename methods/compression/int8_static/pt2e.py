"""Quantises by PT2E, torchao's tool for exported graphs, in the layout of the compiler's kernels for x86."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import X86InductorQuantizer

from breakeven.components.graphs import exported, savable, with_integer_weights
from breakeven.components.lengths import examples
from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

if TYPE_CHECKING:
    from . import Int8Static

THIN = 4  # input channels: torch 2.14 miscompiles a convolution with fewer where the batch varies


def quantise(model: nn.Module, context: CompressionContext, how: Int8Static) -> nn.Module:
    """Return a quantised copy of the model.

    Raises:
        CellFailure: `unsupported`, where the model does not export or has nothing to quantise.
    """
    observed = prepare_pt2e(exported(model, examples(context.task, 2)), _layout(model, how.reduce_range))
    with torch.no_grad():
        for inputs, _ in context.training_samples(how.samples):
            observed(*inputs)
        quantised = with_integer_weights(savable(convert_pt2e(observed)))
    if not any(parameter.dtype == torch.int8 for parameter in quantised.parameters()):
        raise CellFailure("unsupported", "the model has no convolution or linear layer: leave the method out")
    return quantised


def _layout(model: nn.Module, reduce_range: bool) -> X86InductorQuantizer:
    most = 63 if reduce_range else 127
    activation = QuantizationSpec(torch.uint8, MinMaxObserver, 0, 255, torch.per_tensor_affine)
    weight = QuantizationSpec(torch.int8, PerChannelMinMaxObserver, -most, most, torch.per_channel_symmetric, ch_axis=0)
    layout = X86InductorQuantizer().set_global(QuantizationConfig(activation, activation, weight, None))
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)) and module.in_channels < THIN:
            layout.set_module_name_qconfig(name, None)
    return layout
