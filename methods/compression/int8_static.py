"""Static INT8 quantisation in ONNX Runtime: weights and activations in 8 bits, ranges calibrated on training data.

Reference: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html; Jacob et al. 2018,
arXiv:1712.05877. Weights are signed and per channel, activations unsigned and per tensor: the pair with the fastest
kernels on x86. In a transformer, the inputs of matrix products and the embeddings are quantised and the rest stays in
float32: sums along the residual path, softmax and normalisation lose accuracy in 8 bits and gain no speed.
Limits: CPU only. No fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext, ExportedCompressionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

TRANSFORMER = {"inputs": ["MatMul", "Gemm", "Conv", "Gather"], "float_outputs": ["MatMul", "Gemm"]}


@dataclass(frozen=True)
class Int8Static(ExportedCompressionMethod):
    """Quantises an ONNX file to 8 bits."""

    reference: ClassVar[str] = "arXiv:1712.05877"
    runtime: ClassVar[str] = "onnxruntime"

    samples: int = Field(256, ge=1, description="training samples to calibrate on")
    calibration: Literal["minmax", "entropy", "percentile"] = Field("minmax", description="how ranges are chosen")
    per_channel: bool = Field(True, description="a scale for every output channel of a weight, not one for all")
    reduce_range: bool = Field(True, description="weights in 7 bits: 8 overflow on x86 CPUs without VNNI")

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "these INT8 kernels run on CPUs only: list it under a CPU profile"
        return None

    def compress(self, source: Path, target: Path, context: CompressionContext) -> None:
        from tempfile import TemporaryDirectory

        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        with TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            graph = onnx.load(prepared).graph
            transformer = any(node.op_type == "LayerNormalization" for node in graph.node)
            names = [node.name for node in graph.input]
            quantize_static(
                prepared,
                target,
                _reader(names, context.calibration_inputs(self.samples)),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=TRANSFORMER["inputs"] if transformer else None,
                extra_options={
                    "OpTypesToExcludeOutputQuantization": TRANSFORMER["float_outputs"] if transformer else []
                },
                calibrate_method={
                    "minmax": CalibrationMethod.MinMax,
                    "entropy": CalibrationMethod.Entropy,
                    "percentile": CalibrationMethod.Percentile,
                }[self.calibration],
                per_channel=self.per_channel,
                reduce_range=self.reduce_range,
            )
        if not any(node.op_type == "QuantizeLinear" for node in onnx.load(target).graph.node):
            raise CellFailure("unsupported", "the graph has no operator to quantise: leave it out here")


def _reader(names: list[str], batches: Iterator[tuple[Tensor, ...]]) -> object:
    """Feeds the calibration sample by sample: its histograms want batches of one size."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        feeds = (
            {name: part.numpy() for name, part in zip(names, parts, strict=True)}
            for batch in batches
            for parts in zip(*(x.split(1) for x in batch), strict=True)
        )

        def get_next(self) -> dict | None:
            return next(self.feeds, None)

    return Reader()
