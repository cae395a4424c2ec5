"""Weight-only quantisation: weights are stored in 8 or 4 bits, and activations stay in float32. It needs no data and no
training. It makes the file smaller; calls get faster only where reading the weights takes most of the time.

Reference: Dettmers and Zettlemoyer 2023, arXiv:2212.09720 (4 bits in blocks). Weights are rounded to the nearest value
of a symmetric range. In 8 bits each output of a layer has a scale; in 4 bits each block of `group` weights has one.
`backend=onnxruntime` stores the weights of every layer, including embeddings and convolutions, and turns them back into
float32 when the file is loaded, so that calls take as long as before. `unpack=on_call` multiplies by the packed
matrices, which also saves memory (`MatMulNBits`, whose activations are rounded to 8 bits block by block).
`backend=torchao` quantises linear layers of the module.

Limits: with `unpack=on_load` loading takes longer, and memory is as much as before. With `on_call`, products of short
rows or many samples are slower: its kernels are made for one sample of a large model. On a CPU, torchao packs 8 bits
only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

GROUP = 32  # weights that share a scale in 4 bits


@dataclass(frozen=True)
class WeightOnly(CompressionMethod):
    """Stores weights in 8 or 4 bits."""

    reference: ClassVar[str] = "arXiv:2212.09720"
    changes: ClassVar[Change] = "precision"

    backend: Literal["onnxruntime", "torchao"] = Field("onnxruntime", description="whose tools quantise the model")
    bits: int = Field(8, ge=4, le=8, multiple_of=4, description="bits per weight: 8 or 4")
    group: int = Field(GROUP, ge=16, le=256, description="weights per block, a power of two; for 4 bits and on_call")
    unpack: Literal["on_load", "on_call"] = Field("on_load", description="onnxruntime: when weights become float32")

    @property
    def runtime(self) -> str:
        return "onnxruntime" if self.on_file else "eager"

    @property
    def on_file(self) -> bool:
        return self.backend == "onnxruntime"

    @property
    def precision(self) -> str:
        return f"int{self.bits}"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "has been tried on CPUs only: list it under a CPU profile"
        if self.group.bit_count() != 1:
            return f"blocks of {self.group} weights have no kernel: set group to a power of two"
        if self.backend == "torchao" and self.bits == 4:
            return "torchao packs 4 bits on GPUs only: use backend=onnxruntime or bits=8"
        if self.backend == "torchao" and (self.group, self.unpack) != (GROUP, "on_load"):
            return "backend=torchao has no blocks and no choice of when to unpack: leave group and unpack out"
        return None

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        from . import onnxruntime

        onnxruntime.quantise(source, target, self)

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from . import torchao

        return torchao.quantise(model)
