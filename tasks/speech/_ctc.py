"""Connectionist temporal classification (Graves et al., 2006): what recognisers share that read symbols off speech."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Lengths, Task

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Recognition(Task):
    """Inputs float32 [batch, 1, bands, frames], log-mel energies, 0 from a sample's end, and its frames, int64 [batch].

    Outputs log-probabilities [batch, frames / 2, classes], of the blank and then of the symbols. The target [batch,
    longest] holds classes, padded with -1.
    """

    network: Literal["conv_gru", "conv"] = Field("conv_gru", description="with recurrent layers or without")
    width: int = Field(16, ge=1, le=1024, description="channels of the first layer; 8 times as many over time")

    domain: ClassVar[str] = "speech"
    lengths: ClassVar[Lengths] = Lengths("frames of 10 ms", dimensions=(3, None), multiple=4)
    bands: ClassVar[int] = 64
    depth: ClassVar[int]  # convolutions over time
    recurrent: ClassVar[int] = 1  # recurrent layers after them

    @abstractmethod
    def _symbols(self) -> tuple[str, ...]:
        """What is read: the first is class 1."""

    def model(self) -> nn.Module:
        """See `Task`."""
        from ._ctc_network import Reader

        recurrent = self.recurrent if self.network == "conv_gru" else 0
        return Reader(self.bands, 1 + len(self._symbols()), self.width, self.depth, recurrent)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Connectionist temporal classification [nats]; outputs beyond a sample's end are blank for certain."""
        import torch
        from torch.nn.functional import ctc_loss

        times = torch.full(target.shape[:1], outputs.shape[1], device=target.device)
        how = {"reduction": "none", "zero_infinity": True}
        return ctc_loss(outputs.transpose(0, 1), target.clamp(min=0).long(), times, (target >= 0).sum(1), **how).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """See `Task`, at every output."""
        return super().distillation_loss(outputs.transpose(1, 2), taught.transpose(1, 2), temperature)

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return inputs[1]
