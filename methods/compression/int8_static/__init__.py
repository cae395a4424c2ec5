"""Static INT8 quantisation: weights and activations in 8 bits, their ranges measured beforehand on training data.
No training. Four tools do it, each for a runtime of its own: those of ONNX Runtime, OpenVINO, FX and PT2E.

Reference: Jacob et al. 2018, arXiv:1712.05877. `backend=onnxruntime` follows
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html: weights are signed and per channel,
activations unsigned and per tensor, the pair with the fastest kernels on x86. In a transformer, the inputs of matrix
products and the embeddings are quantised; the rest stays in float32: sums along the residual path, softmax and
normalisation lose accuracy in 8 bits and gain no speed. A first convolution of few channels stays in float32 too,
because in 8 bits its pixels take longer to gather than to multiply. `backend=openvino` is NNCF. `keep_float=auto` goes
on where that alone loses quality: it quantises one layer at a time to see what each costs, and leaves the worst in
float32, the fewest with which the validation set's quality comes back.

Limits: CPU only. Where `reduce_range` is off, U8S8 kernels of x86 CPUs without VNNI overflow. `keep_float=auto` trusts
the validation set, so on a small one it may see no loss where there is one.
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

    backend: Literal["onnxruntime", "openvino", "fx", "pt2e"] = Field("onnxruntime", description="whose tools do it")
    samples: int = Field(256, ge=1, description="training samples to calibrate on")
    calibration: Literal["minmax", "entropy", "percentile"] = Field("minmax", description="how ranges are chosen")
    per_channel: bool = Field(True, description="a scale for every output channel of a weight, not one for all")
    reduce_range: bool = Field(True, description="weights in 7 bits: 8 overflow on x86 CPUs without VNNI")
    keep_float: Literal["none", "auto"] = Field("none", description="auto: the layers that cost quality, the fewest")
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
            return "backend=pt2e has kernels for per_channel=true alone: leave it so"
        if missing := [name for name in OPTIONAL.get(self.backend, ()) if find_spec(name) is None]:
            return f"not installed: {', '.join(missing)}: run pip install {' '.join(missing)}"
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
