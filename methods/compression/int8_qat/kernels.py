"""Rewrites layers into forms that ONNX Runtime computes in integers; it computes other forms in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from .layout import CONVOLUTIONS, DROPOUTS

aten, quantised = torch.ops.aten, torch.ops.quantized_decomposed
INT32 = torch.iinfo(torch.int32)


def fit_kernels(model: GraphModule) -> None:
    """Rewrite the layers of a quantised graph in place."""
    for node in list(model.graph.nodes):
        if node.target in DROPOUTS:
            node.replace_all_uses_with(node.args[0])
            model.graph.erase_node(node)
        if node.target is aten.embedding.default:
            _look_up(model, node)
        if node.target not in (aten.linear.default, *CONVOLUTIONS):
            continue
        if node.args[1].target is not quantised.dequantize_per_channel.default:
            continue  # it stays in float32
        with model.graph.inserting_before(node):
            # A product of more than two dimensions adds its bias in float32.
            if len(node.args) > 2 and node.args[2] is not None and not (_is_linear(node) and _dims(node) > 2):
                node.update_arg(2, _whole_bias(model, node))
            if _is_linear(node):
                _multiply(model, node)
    model.graph.eliminate_dead_code()
    model.recompile()


def _whole_bias(model: GraphModule, node: Node) -> Node:
    """Store the bias as integers, on the scale of the products that it is added to."""
    source, weight, bias, *_ = _args(node)
    step = source.args[1] * _value(model, weight.args[1])
    whole = (_value(model, bias) / step).round().clamp(INT32.min, INT32.max).to(torch.int32)
    zeros = torch.zeros_like(whole, dtype=torch.int64)
    parts = {"bias": whole, "bias_scale": step, "bias_zero": zeros}
    stored = [_store(model, f"{node.name}_{part}", value) for part, value in parts.items()]
    how: tuple[Any, ...] = (*stored, 0, INT32.min, INT32.max, torch.int32)
    return model.graph.call_function(quantised.dequantize_per_channel.default, how)


def _multiply(model: GraphModule, node: Node) -> None:
    """Turn a linear layer into a product with its weight, which is transposed once and for all."""
    source, weight, *bias = _args(node)
    stored, scales, zeros, _, *rest = weight.args
    turned = _store(model, f"{node.name}_weight", _value(model, stored).t().contiguous())
    factor = model.graph.call_function(weight.target, (turned, scales, zeros, 1, *rest))
    result = model.graph.call_function(aten.matmul.default, (source, factor))
    if bias and bias[0] is not None:
        result = model.graph.call_function(aten.add.Tensor, (result, bias[0]))
    node.replace_all_uses_with(result)
    model.graph.erase_node(node)


def _look_up(model: GraphModule, node: Node) -> None:
    """Look up rows of integers, and turn only those into float32, instead of the whole table in every call."""
    table, *which = _args(node)
    stored, *how = table.args
    with model.graph.inserting_before(node):
        rows = model.graph.call_function(cast(Callable[..., Tensor], node.target), (stored, *which))
        result = model.graph.call_function(table.target, (rows, *how))
    node.replace_all_uses_with(result)
    model.graph.erase_node(node)


def _args(node: Node) -> tuple[Any, ...]:
    """Return a node's arguments: nodes and constants, as its operator takes them."""
    return node.args


def _is_linear(node: Node) -> bool:
    return node.target is aten.linear.default


def _dims(node: Node) -> int:
    return node.meta["val"].dim()


def _store(model: GraphModule, name: str, value: Tensor) -> Node:
    model.register_buffer(name, value)
    return model.graph.get_attr(name)


def _value(model: GraphModule, node: Node) -> Tensor:
    *path, name = str(node.target).split(".")
    return getattr(model.get_submodule(".".join(path)), name).detach()
