"""Quantisation-aware training: the network trains on while its weights and activations are rounded to 8 bits, so that
it adapts to the rounding. Then the weights are stored as integers. Batch norm is folded into the convolutions first.

Reference: Jacob et al. 2018, arXiv:1712.05877, section 3, as torchao's PT2E does it: rounding in the forward pass, none
in the backward pass, ranges of activations as moving averages. Weights are signed and scaled per channel, activations
unsigned and scaled per tensor. The method quantises convolutions, linear layers and embeddings, and sums and poolings
around convolutions. Attention scores and normalisation stay in float32. So does a thin first convolution, which is
slower in 8 bits.

Limits: CPU only. Batch norm keeps the statistics of the given model. With `reduce_range` off, U8S8 kernels overflow on
x86 CPUs without VNNI.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod, Teaching

if TYPE_CHECKING:
    from torch import nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class Int8Qat(CompressionMethod):
    """Trains weights and activations in 8 bits."""

    reference: ClassVar[str] = "arXiv:1712.05877"
    changes: ClassVar[Change] = "precision"

    fine_tuning: float = Field(0.25, gt=0, description="share of the task's training epochs, run again in 8 bits")
    rate: float = Field(0.03, gt=0, le=1, description="share of the recipe's learning rate")
    teacher: bool = Field(False, description="also learn from the outputs of the float32 model")
    reduce_range: bool = Field(True, description="weights in 7 bits, as 8 overflow on x86 CPUs without VNNI")

    @property
    def runtime(self) -> str:
        return "onnxruntime"

    @property
    def precision(self) -> str:
        return "int8"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "these INT8 kernels run on CPUs only: list it under a CPU profile"
        return None

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from breakeven.components.lengths import examples

        from . import graph
        from .layout import OnnxRuntimeLayout

        rounding = graph.rounding(model, examples(context.task, 2), OnnxRuntimeLayout(self.reduce_range))
        teaching = Teaching(deepcopy(model)) if self.teacher else None
        epochs = self.fine_tuning * context.task.recipe.epochs
        context.fine_tune(rounding, epochs, rate=self.rate, teaching=teaching)
        return graph.integer(rounding)
