"""A module as a graph: one that rounds while it trains, and the one of integers that comes of it."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, fx, nn
from torchao.quantization.pt2e import FakeQuantize, disable_observer
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

from breakeven.errors import CellFailure

from .kernels import fit_kernels
from .layout import DROPOUTS


class Rounding(nn.Module):
    """A prepared graph that can be told to train: an exported one refuses."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> Self:
        # torchao's own switch would set every dropout to one half.
        for node in self.graph.graph.nodes:
            if node.target in DROPOUTS:
                node.args = (*node.args[:2], mode)
        self.graph.recompile()
        self.training = mode
        return self


def rounding(model: nn.Module, inputs: tuple[Tensor, ...], layout: Quantizer) -> Rounding:
    """A copy that rounds weights and activations as `layout` says, yet to be trained.

    Raises:
        CellFailure: the model does not export, or has nothing to round.
    """
    batch = torch.export.Dim("batch", min=1)
    try:
        program = torch.export.export(deepcopy(model).eval(), inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CellFailure("unsupported", f"torch.export refuses the model ({said[:200]}): leave it out here") from error
    # Not prepare_qat_pt2e: for batch norm it assumes the default epsilon and momentum, and divides by its scale.
    prepared = prepare_pt2e(program.module(check_guards=False), layout)
    if not any(isinstance(module, FakeQuantize) for module in prepared.modules()):
        raise CellFailure("unsupported", "the model has no convolution or linear layer to quantise: leave it out here")
    return Rounding(prepared).eval()


def integer(trained: Rounding) -> fx.GraphModule:
    """The trained graph with integer weights, as a plain module that can be saved, exported and counted."""
    trained.apply(disable_observer)
    converted = convert_pt2e(trained.graph)
    graph = fx.Graph(tracer_cls=Tracer)
    (output,) = graph.graph_copy(converted.graph, {})
    graph.output(output)
    model = fx.GraphModule(converted, graph)
    fit_kernels(model)
    model = fx.GraphModule(model, graph)  # without what the graph no longer uses
    for name, buffer in list(model.named_buffers()):
        if buffer.dtype in (torch.int8, torch.int32):  # weights and biases are parameters, whatever their precision
            delattr(model, name)
            model.register_parameter(name, nn.Parameter(buffer, requires_grad=False))
    return model.requires_grad_(False).eval()


class Tracer(fx.Tracer):
    """How a saved graph is read back: with its buffers, not with what is computed from them."""

    proxy_buffer_attributes = True
