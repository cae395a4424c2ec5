"""Half precision: weights are stored and multiplied in 16 bits instead of 32. Inputs are cast to 16 bits, and outputs
back to float32. It needs no training, and data only to check for overflow.

Reference: Micikevicius et al. 2018, arXiv:1710.03740 (float16); Kalamkar et al. 2019, arXiv:1905.12322 (bfloat16).
float16 has finer steps, but overflows beyond 65504; bfloat16 has the range of float32.

Limits: the file is half as large everywhere, but only hardware with 16-bit arithmetic computes faster: GPUs, and CPUs
with AVX512-FP16, AVX512-BF16 or AMX. Other hardware is slower than with float32. Inputs of integer type, such as token
ids and masks, stay as they are. A runtime may compute in float32 inside, or refuse the type.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn

CHECKED = 256  # training samples that are checked for overflow


@dataclass(frozen=True)
class HalfPrecision(CompressionMethod):
    """Stores and computes in 16 bits."""

    reference: ClassVar[str] = "arXiv:1710.03740"
    changes: ClassVar[Change] = "precision"

    dtype: Literal["float16", "bfloat16"] = Field("float16", description="float16 is finer, bfloat16 never overflows")

    @property
    def precision(self) -> str:
        return self.dtype

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        import torch

        from .casts import cast_in, cast_out

        half = deepcopy(model).to(getattr(torch, self.dtype)).eval()
        if not any(p.dtype == getattr(torch, self.dtype) for p in half.parameters()):
            raise CellFailure("unsupported", "the model has no weights: leave the method out")
        half.register_forward_pre_hook(cast_in)
        half.register_forward_hook(cast_out)
        with torch.inference_mode():
            finite = all(half(*inputs).isfinite().all() for inputs, _ in context.training_samples(CHECKED))
        if not finite:
            raise CellFailure("unsupported", f"activations overflow in {self.dtype}: use dtype=bfloat16")
        return half
