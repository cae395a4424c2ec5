"""Graphs of `torch.export` as modules: exports a model, and makes the graph fit to be saved, evaluated and counted."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, fx, nn

from breakeven.components.exporting import program
from breakeven.errors import CellFailure

WEIGHTS = (torch.int8, torch.int32)  # types that quantisation gives to weights and to biases


class Tracer(fx.Tracer):
    """Tracer that reads a saved graph back with its buffers, not with values computed from them.

    Saved graphs name this class by its path.
    """

    proxy_buffer_attributes = True


def exported(model: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    """Return a copy of the model as the graph of `torch.export`, for any batch size and length.

    Args:
        model: stays as it is.
        inputs: example inputs of two samples, such as `lengths.examples` makes.

    Raises:
        CellFailure: `unsupported`, where `torch.export` refuses the model or takes a length for a constant.
    """
    try:
        graph = program(deepcopy(model).eval(), inputs)
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CellFailure(
            "unsupported", f"torch.export refuses the model ({said[:200]}): leave the method out"
        ) from error
    return graph.module(check_guards=False)


def savable(graph_module: fx.GraphModule) -> fx.GraphModule:
    """Return the same computation as a module that can be saved and put in eval mode, unlike an exported one."""
    graph = fx.Graph(tracer_cls=Tracer)
    (output,) = cast(tuple, graph.graph_copy(graph_module.graph, {}))
    graph.output(output)
    return fx.GraphModule(graph_module, graph)


def with_integer_weights(graph_module: fx.GraphModule) -> fx.GraphModule:
    """Return the module in eval mode with its integer buffers (int8, int32) as parameters without gradients.

    Weights are parameters, whatever their precision. Attributes that the graph no longer uses are dropped.
    """
    model = fx.GraphModule(graph_module, graph_module.graph)
    for name, buffer in list(model.named_buffers()):
        if buffer.dtype in WEIGHTS:
            delattr(model, name)
            model.register_parameter(name, nn.Parameter(buffer, requires_grad=False))
    return model.requires_grad_(False).eval()
