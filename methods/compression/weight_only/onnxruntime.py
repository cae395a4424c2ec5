"""Quantises the weights in ONNX Runtime's file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel

from breakeven.errors import CellFailure

if TYPE_CHECKING:
    from . import WeightOnly

# Operators that have weights, and the indices of those inputs.
WEIGHTS = {"Conv": [1], "ConvTranspose": [1], "MatMul": [1], "Gemm": [1], "Gather": [0], "GRU": [1, 2], "LSTM": [1, 2]}
INT4_OPSET = 21  # the first ONNX opset with 4-bit integers


def quantise(source: Path, target: Path, how: WeightOnly) -> None:
    """Write `source` with weights in 8 or 4 bits to `target`.

    Raises:
        CellFailure: `unsupported`, where the graph has no weights.
    """
    model = onnx.load(source)
    packed = _pack_products(model, how) if how.unpack == "on_call" else False
    if how.bits == 4 and next(o.version for o in model.opset_import if not o.domain) < INT4_OPSET:
        model = onnx.version_converter.convert_version(model, INT4_OPSET)
    if not _store_small(model, how) and not packed:
        raise CellFailure("unsupported", "the graph has no weights to quantise: leave the method out")
    onnx.save(model, target)


def _pack_products(model: ModelProto, how: WeightOnly) -> bool:
    """Turn matrix products into products by packed weights, in place; return whether there are any."""
    graph = ONNXModel(model)
    graph.replace_gemm_with_matmul()
    logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer").setLevel(logging.WARNING)
    # Level 4 computes in 8 bits. Kernels that multiply in float32 were up to ten times slower than plain float32.
    tool = MatMulNBitsQuantizer(model, bits=how.bits, block_size=how.group, is_symmetric=True, accuracy_level=4)
    tool.process()
    return any(node.op_type == "MatMulNBits" for node in model.graph.node)


def _store_small(model: ModelProto, how: WeightOnly) -> bool:
    """Store weights as integers, with nodes that turn them back, in place; return whether there are any.

    The nodes are a Cast and a Mul, which ONNX Runtime computes once when it loads the file. It would run a
    DequantizeLinear in every call.
    """
    graph, nodes = model.graph, []
    weights = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) > 1}
    for node in graph.node:
        for name in [node.input[i] for i in WEIGHTS.get(node.op_type, [])]:
            if (tensor := weights.pop(name, None)) is not None:
                graph.initializer.remove(tensor)
                nodes += _unpacking(model, tensor, node, how)
    rest = list(graph.node)
    graph.ClearField("node")
    graph.node.extend([*nodes, *rest])
    return bool(nodes)


def _unpacking(model: ModelProto, tensor: TensorProto, node: NodeProto, how: WeightOnly) -> list[NodeProto]:
    name, weight = tensor.name, numpy_helper.to_array(tensor)
    by_column = node.op_type == "MatMul" or (node.op_type == "Gemm" and not _attribute(node, "transB"))
    outputs_first = np.moveaxis(weight, -1, 0) if by_column else weight
    row = outputs_first[0].size if node.op_type.startswith("Conv") or by_column else outputs_first.shape[-1]
    size = how.group if how.bits == 4 and row % how.group == 0 else row
    numbers, scales = _round(outputs_first.reshape(-1, size), how.bits)
    packed = numbers if how.bits == 8 else numbers.astype(ml_dtypes.int4)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(packed, f"{name}_numbers"),
            numpy_helper.from_array(scales, f"{name}_scales"),
            numpy_helper.from_array(np.array(outputs_first.shape), f"{name}_shape"),
        ]
    )
    order = [*range(1, weight.ndim), 0] if by_column else [*range(weight.ndim)]
    return [
        helper.make_node("Cast", [f"{name}_numbers"], [f"{name}_cast"], f"{name}_cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_cast", f"{name}_scales"], [f"{name}_blocks"], f"{name}_mul"),
        helper.make_node("Reshape", [f"{name}_blocks", f"{name}_shape"], [f"{name}_rows"], f"{name}_reshape"),
        helper.make_node("Transpose", [f"{name}_rows"], [name], f"{name}_transpose", perm=order),
    ]


def _round(blocks: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Round rows to integers, symmetric around zero; return the integers and the scale of each row."""
    scales = np.abs(blocks).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    scales[scales == 0] = 1
    return np.rint(blocks / scales).astype(np.int8), scales.astype(np.float32)


def _attribute(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)
