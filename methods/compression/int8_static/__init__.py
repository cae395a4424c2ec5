"""Static INT8 quantisation: weights and activations in 8 bits, with ranges that are measured on training data first. It
needs no training. Four tools do it, each for its own runtime: those of ONNX Runtime, OpenVINO, FX and PT2E.

Reference: Jacob et al. 2018, arXiv:1712.05877. `backend=onnxruntime` follows
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html: weights are signed and scaled per
channel, activations unsigned and scaled per tensor, the pair with the fastest kernels on x86. In a transformer, inputs
of matrix products and embeddings are quantised. The rest stays in float32: sums along the residual path, softmax and
normalisation lose accuracy in 8 bits and gain no speed. A first convolution of few channels stays in float32 too,
because in 8 bits its pixels take longer to gather than to multiply. `backend=openvino` uses NNCF. `keep_float=auto`
goes on where quality is lost: it quantises one layer at a time to measure each layer's cost, and leaves in float32 the
fewest of the costliest layers that bring back the quality on the validation set.

Limits: CPU only. With `reduce_range` off, U8S8 kernels overflow on x86 CPUs without VNNI. `keep_float=auto` trusts the
validation set, so a small validation set may hide a loss.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

RUNTIMES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "fx": "torchscript", "pt2e": "torch_compile"}
OPTIONAL = {"openvino": ("openvino", "nncf")}  # packages that are not always installed


@dataclass(frozen=True)
class Int8Static(CompressionMethod):
    """Quantises weights and activations to 8 bits."""

    reference: ClassVar[str] = "arXiv:1712.05877"
    changes: ClassVar[Change] = "precision"

    backend: Literal["onnxruntime", "openvino", "fx", "pt2e"] = Field("onnxruntime", description="whose tools quantise")
    samples: int = Field(256, ge=1, description="training samples to calibrate on")
    calibration: Literal["minmax", "entropy", "percentile"] = Field("minmax", description="method that chooses ranges")
    per_channel: bool = Field(True, description="one scale per output channel of a weight, not one for all")
    reduce_range: bool = Field(True, description="weights in 7 bits, as 8 overflow on x86 CPUs without VNNI")
    keep_float: Literal["none", "auto"] = Field("none", description="auto: few of the costliest layers, as needed")
    tolerance: float = Field(0.005, ge=0, lt=1, description="share of float32's quality that keep_float=auto may lose")

    @property
    def runtime(self) -> str:
        return RUNTIMES[self.backend]

    @property
    def on_file(self) -> bool:
        return self.backend in ("onnxruntime", "openvino")

    @property
    def precision(self) -> str:
        return "int8"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "these INT8 kernels run on CPUs only: list it under a CPU profile"
        if self.keep_float == "auto" and not self.on_file:
            return f"backend={self.backend} has no keep_float=auto: use backend=onnxruntime or openvino"
        if self.calibration != "minmax" and not self.on_file:
            return f"backend={self.backend} has no calibration={self.calibration}: use calibration=minmax"
        if self.backend == "pt2e" and not self.per_channel:
            return "backend=pt2e has kernels for per_channel=true only: leave it so"
        if missing := [name for name in OPTIONAL.get(self.backend, ()) if find_spec(name) is None]:
            return f"packages not installed: {', '.join(missing)}: run 'pip install {' '.join(missing)}'"
        return None

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        if self.backend == "openvino":
            from . import openvino as tool
        else:
            from . import onnxruntime as tool  # type: ignore[no-redef]
        tool.quantise(source, target, context, self)

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        if self.backend == "pt2e":
            from . import pt2e as tool
        else:
            from . import fx as tool  # type: ignore[no-redef]
        return tool.quantise(model, context, self)
