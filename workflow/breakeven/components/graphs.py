"""Graphs of `torch.export` as modules: made from a model, and fit to be saved, put in eval mode and counted."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, fx, nn

from breakeven.components.exporting import program
from breakeven.errors import CellFailure

WEIGHTS = (torch.int8, torch.int32)  # what quantisation leaves of weights and of biases


class Tracer(fx.Tracer):
    """How a saved graph is read back: with its buffers, not with what is computed from them."""

    proxy_buffer_attributes = True


def exported(model: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    """A copy of the model as the graph of `torch.export`, for any batch size and length.

    Raises:
        CellFailure: it refuses the model.
    """
    try:
        graph = program(deepcopy(model).eval(), inputs)
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CellFailure("unsupported", f"torch.export refuses the model ({said[:200]}): leave it out here") from error
    return graph.module(check_guards=False)


def savable(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The same computation in a module that can be saved and put in eval mode, which an exported one cannot."""
    graph = fx.Graph(tracer_cls=Tracer)
    (output,) = cast(tuple, graph.graph_copy(graph_module.graph, {}))
    graph.output(output)
    return fx.GraphModule(graph_module, graph)


def with_integer_weights(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The module, its integers made parameters: weights are, whatever their precision."""
    model = fx.GraphModule(graph_module, graph_module.graph)  # without what the graph no longer uses
    for name, buffer in list(model.named_buffers()):
        if buffer.dtype in WEIGHTS:
            delattr(model, name)
            model.register_parameter(name, nn.Parameter(buffer, requires_grad=False))
    return model.requires_grad_(False).eval()
