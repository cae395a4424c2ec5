"""Dynamic INT8 quantisation: weights stored in 8 bits, activations quantised on the fly, on the CPU.

Reference: https://docs.pytorch.org/docs/stable/quantization.html; Jacob et al. 2018, arXiv:1712.05877. Linear, GRU
and LSTM layers; no data and no training are needed.
Limits: convolutions and embeddings stay in float32, so a convolutional net gains next to nothing. CPU only, served
by eager PyTorch only. PyTorch marks this interface as deprecated; torchao's successor quantises linear layers alone
and was slower than float32 on small encoders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class Int8Dynamic(CompressionMethod):
    """Quantises the weights of linear and recurrent layers to 8 bits."""

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/quantization.html"
    exportable: ClassVar[bool] = False

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "PyTorch's dynamic INT8 kernels run on CPUs only: list it under a CPU profile"
        return None

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from torch import nn

        kinds = {nn.Linear, nn.GRU, nn.LSTM}
        if not any(type(module) in kinds for module in model.modules()):
            raise CellFailure("unsupported", "the model has no linear, GRU or LSTM layer: leave it out here")
        quantised = _quantise(model, kinds)
        for module in quantised.modules():
            if isinstance(module, nn.TransformerEncoderLayer):
                module.activation_relu_or_gelu = 0  # the fused path would read the weights of its linear layers
        return quantised.eval()


def _quantise(model: nn.Module, kinds: set[type[nn.Module]]) -> nn.Module:
    """A quantised copy. The one place that calls the deprecated interface."""
    import warnings

    import torch
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quantize_dynamic(model, kinds, dtype=torch.qint8, inplace=False)
