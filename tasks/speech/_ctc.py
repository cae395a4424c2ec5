"""The base of speech recognisers by connectionist temporal classification (Graves et al., 2006)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Lengths, TensorTask

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Recognition(TensorTask):
    """Inputs: log-mel energies float32 [batch, 1, bands, frames], 0 after a sample's end, and its frames int64 [batch].

    Outputs are log-probabilities [batch, frames / 2, classes], first of the blank, then of the symbols. The target
    [batch, longest] holds classes, padded with -1.
    """

    network: Literal["conv_gru", "conv"] = Field(
        "conv_gru", description="with (conv_gru) or without (conv) recurrent layers"
    )
    width: int = Field(
        16, ge=1, le=1024, description="channels of the first layer; layers over time have 8 times as many"
    )

    domain: ClassVar[str] = "speech"
    lengths: ClassVar[Lengths] = Lengths("frames of 10 ms", dimensions=(3, None), multiple=4)
    bands: ClassVar[int] = 64
    depth: ClassVar[int]  # the number of convolutions over time
    recurrent: ClassVar[int] = 1  # the number of recurrent layers after them

    @abstractmethod
    def _symbols(self) -> tuple[str, ...]:
        """The symbols that are read; the first is class 1."""

    def model(self) -> nn.Module:
        """See `Task`."""
        from ._ctc_network import Reader

        recurrent = self.recurrent if self.network == "conv_gru" else 0
        return Reader(self.bands, 1 + len(self._symbols()), self.width, self.depth, recurrent)

    def student(self, width: float) -> nn.Module:
        """See `Task`."""
        return replace(self, width=max(1, round(width * self.width))).model()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of connectionist temporal classification [nats]. Outputs after a sample's end are always blank."""
        import torch
        from torch.nn.functional import ctc_loss

        times = torch.full(target.shape[:1], outputs.shape[1], device=target.device)
        lengths, classes = (target >= 0).sum(1), target.clamp(min=0).long()
        return ctc_loss(outputs.transpose(0, 1), classes, times, lengths, reduction="none", zero_infinity=True).mean()

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """See `Task`. Each output counts as one sample."""
        return super().distillation_loss(outputs.transpose(1, 2), taught.transpose(1, 2), temperature)

    def length_of(self, *inputs: Tensor) -> Tensor:
        """See `Task`."""
        return inputs[1]
