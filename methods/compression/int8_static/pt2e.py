"""By PT2E, torchao's quantisation of exported graphs, in the layout of the compiler's kernels for x86."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import fx, nn
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import X86InductorQuantizer

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

if TYPE_CHECKING:
    from . import Int8Static

THIN = 4  # input channels; for fewer, torch 2.14 compiles a convolution to wrong results where the batch may vary


class Tracer(fx.Tracer):
    """How a saved graph is read back: with its buffers, not with what is computed from them."""

    proxy_buffer_attributes = True


def quantise(model: nn.Module, context: CompressionContext, how: Int8Static) -> nn.Module:
    """A quantised copy.

    Raises:
        CellFailure: the model does not export or has nothing to quantise.
    """
    observed = prepare_pt2e(_export(model, context), _layout(model, how.reduce_range))
    with torch.no_grad():
        for inputs, _ in context.training_samples(how.samples):
            observed(*inputs)
        quantised = savable(convert_pt2e(observed))
    if not any(parameter.dtype == torch.int8 for parameter in quantised.parameters()):
        raise CellFailure("unsupported", "the model has no convolution or linear layer to quantise: leave it out here")
    return quantised


def _export(model: nn.Module, context: CompressionContext) -> fx.GraphModule:
    inputs = context.task.example_inputs(2)
    batch = torch.export.Dim("batch", min=1)
    try:
        program = torch.export.export(deepcopy(model).eval(), inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        reason = f"torch.export refuses the model ({said[:200]}): use another backend"
        raise CellFailure("unsupported", reason) from error
    return program.module(check_guards=False)


def _layout(model: nn.Module, reduce_range: bool) -> X86InductorQuantizer:
    most = 63 if reduce_range else 127
    activation = QuantizationSpec(torch.uint8, MinMaxObserver, 0, 255, torch.per_tensor_affine)
    weight = QuantizationSpec(torch.int8, PerChannelMinMaxObserver, -most, most, torch.per_channel_symmetric, ch_axis=0)
    layout = X86InductorQuantizer().set_global(QuantizationConfig(activation, activation, weight, None))
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)) and module.in_channels < THIN:
            layout.set_module_name_qconfig(name, None)
    return layout


def savable(converted: fx.GraphModule) -> fx.GraphModule:
    """A module that can be saved, put in eval mode and counted, which an exported graph cannot."""
    graph = fx.Graph(tracer_cls=Tracer)
    (output,) = graph.graph_copy(converted.graph, {})
    graph.output(output)
    model = fx.GraphModule(converted, graph)
    for name, buffer in list(model.named_buffers()):
        if buffer.dtype == torch.int8:  # weights are parameters, whatever their precision
            delattr(model, name)
            model.register_parameter(name, nn.Parameter(buffer, requires_grad=False))
    return model.requires_grad_(False).eval()
