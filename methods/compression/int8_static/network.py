"""Writes an ONNX file in 8 bits, any number of times, with any layers left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.qdq_loss_debug import compute_signal_to_quantization_noice_ratio as signal_to_noise
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from breakeven.method import CompressionContext

if TYPE_CHECKING:
    from . import Int8Static

TRANSFORMER = {"inputs": ["MatMul", "Gemm", "Conv", "Gather"], "float_outputs": ["MatMul", "Gemm"]}
COMPUTING = ("Conv", "MatMul", "Gemm", "Gather", "Add", "Mul", "AveragePool", "GlobalAveragePool")  # others follow
# Input and output channels of a convolution. With fewer than 4 inputs its 8-bit kernel copies pixels one by one, which
# takes longer than up to 32 outputs save. Seen on AVX-512 VNNI with batch 32, beside float32: 0.13 times the speed with
# 1 input and 16 outputs, the same speed with 3 and 32, faster with 3 and 64.
THIN = (4, 32)
METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


class Network:
    """A float32 file, prepared for quantisation, with its calibration samples."""

    def __init__(self, source: Path, folder: Path, context: CompressionContext, how: Int8Static) -> None:
        self.folder, self.how, self.prepared = folder, how, folder / "prepared.onnx"
        quant_pre_process(source, self.prepared, skip_symbolic_shape=True)
        self.graph = onnx.load(self.prepared).graph
        self.transformer = any(node.op_type == "LayerNormalization" for node in self.graph.node)
        self.samples = partial(context.training_samples, how.samples)
        self.thin = {node.name for node in self.graph.node if _is_thin(node, self.graph)}

    def write(self, target: Path, kept: Collection[str] = (), only: Collection[str] = ()) -> None:
        """Write the file in 8 bits: all nodes except `kept`, or `only` the nodes named there."""
        names = [node.name for node in self.graph.input]
        quantize_static(
            self.prepared,
            target,
            _Samples(names, (inputs for inputs, _ in self.samples())),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=TRANSFORMER["inputs"] if self.transformer else None,
            nodes_to_exclude=sorted(kept),
            nodes_to_quantize=sorted(only),
            extra_options={
                "OpTypesToExcludeOutputQuantization": TRANSFORMER["float_outputs"] if self.transformer else []
            },
            calibrate_method=METHODS[self.how.calibration],
            calibration_cache_path=self.folder / "ranges.json",
            per_channel=self.how.per_channel,
            reduce_range=self.how.reduce_range,
        )

    def by_cost(self) -> list[str]:
        """Return the layers by how far each one, alone in 8 bits, moves the outputs; the worst first."""
        inputs = [batch for batch, _ in self.samples()]
        kinds = TRANSFORMER["inputs"] if self.transformer else COMPUTING
        layers = [n.name for n in self.graph.node if n.op_type in kinds and n.name not in self.thin]
        expected, trial = _outputs(self.prepared, inputs), self.folder / "trial.onnx"
        clean = {}
        for layer in layers:
            self.write(trial, only=[layer])
            clean[layer] = signal_to_noise(expected, _outputs(trial, inputs))
        return sorted(layers, key=lambda layer: clean[layer])


class _Samples(CalibrationDataReader):
    """Feeds the calibration sample by sample, because its histograms need batches of one size."""

    def __init__(self, names: list[str], batches: Iterator[tuple[Tensor, ...]]) -> None:
        self.feeds = (
            {name: part.numpy() for name, part in zip(names, parts, strict=True)}
            for batch in batches
            for parts in zip(*(x.split(1) for x in batch), strict=True)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next sample's inputs by name; None after the last."""
        return next(self.feeds, None)


def _is_thin(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    if node.op_type != "Conv":
        return False
    shape = next((list(t.dims) for t in graph.initializer if t.name == node.input[1]), None)
    group = next((a.i for a in node.attribute if a.name == "group"), 1)
    return shape is not None and group == 1 and shape[1] < THIN[0] and shape[0] <= THIN[1]


def serve(path: Path) -> Callable[..., Tensor]:
    """Return a callable of the model in a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]

    def call(*inputs: Tensor) -> Tensor:
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return call


def _outputs(path: Path, batches: list[tuple[Tensor, ...]]) -> list[np.ndarray]:
    model = serve(path)
    return [model(*inputs).numpy() for inputs in batches]
