"""Dynamic INT8 quantisation: weights are stored in 8 bits, and activations are quantised during each call. It needs no
data and no training. It quantises matrix products, LSTM layers and, in ONNX Runtime, embeddings.

Reference: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html and
https://docs.pytorch.org/docs/stable/quantization.html; Jacob et al. 2018, arXiv:1712.05877. `backend=onnxruntime`
works on ONNX Runtime's file; `backend=torch` works on the module, which eager PyTorch then serves.

Limits: CPU only. Convolutions stay in float32 (ONNX Runtime could quantise them, but is slower then), so a
convolutional network gains next to nothing. Only `backend=torch` quantises GRU layers, and only `backend=onnxruntime`
quantises embeddings. PyTorch marks its interface as deprecated; its successor in torchao quantises linear layers only,
and was slower than float32 on small encoders.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

# Operators that ONNX Runtime's tool inserts.
QUANTISED = {"DynamicQuantizeLinear", "DynamicQuantizeLSTM", "DequantizeLinear"}


@dataclass(frozen=True)
class Int8Dynamic(CompressionMethod):
    """Quantises the weights of linear and recurrent layers to 8 bits."""

    reference: ClassVar[str] = "arXiv:1712.05877"
    changes: ClassVar[Change] = "precision"

    backend: Literal["onnxruntime", "torch"] = Field("onnxruntime", description="whose tools quantise and serve it")
    per_channel: bool = Field(True, description="onnxruntime: one scale per output of a weight, not one for all")
    reduce_range: bool = Field(True, description="onnxruntime: weights in 7 bits, as 8 overflow on x86 without VNNI")

    @property
    def runtime(self) -> str:
        return "onnxruntime" if self.on_file else "eager"

    @property
    def on_file(self) -> bool:
        return self.backend == "onnxruntime"

    @property
    def precision(self) -> str:
        return "int8"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "these dynamic INT8 kernels run on CPUs only: list it under a CPU profile"
        if self.backend == "torch" and not (self.per_channel and self.reduce_range):
            return "backend=torch chooses scales and range itself: leave per_channel and reduce_range out"
        return None

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        from tempfile import TemporaryDirectory

        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process

        with TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantize_dynamic(
                prepared,
                target,
                op_types_to_quantize=["MatMul", "Gemm", "LSTM", "Gather"],
                weight_type=QuantType.QInt8,
                per_channel=self.per_channel,
                reduce_range=self.reduce_range,
            )
        found = {node.op_type for node in onnx.load(target).graph.node}
        if not QUANTISED & found:
            instead = "take backend=torch for its GRU" if "GRU" in found else "leave the method out"
            raise CellFailure("unsupported", f"the graph has no linear, LSTM or embedding layer: {instead}")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from torch import nn

        kinds = {nn.Linear, nn.GRU, nn.LSTM}
        if not any(type(module) in kinds for module in model.modules()):
            raise CellFailure("unsupported", "the model has no linear, GRU or LSTM layer: leave the method out")
        quantised = _quantise(model, kinds)
        for module in quantised.modules():
            if isinstance(module, nn.TransformerEncoderLayer):
                module.activation_relu_or_gelu = 0  # its fused path would read its linear layers' weights
        return quantised.eval()


def _quantise(model: nn.Module, kinds: set[type[nn.Module]]) -> nn.Module:
    """Return a quantised copy of the model. Only this function calls the deprecated interface."""
    import warnings

    import torch
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantize_dynamic(model, kinds, dtype=torch.qint8, inplace=False)
