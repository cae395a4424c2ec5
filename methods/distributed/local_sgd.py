"""Local training with models averaged from time to time: local SGD (Stich, ICLR 2019; Lin et al., arXiv:1808.07217).

The first steps are those of `ddp`. Then each process steps by its own gradients, and every few steps the processes
average their parameters (a meeting). It uses torch's post-local-SGD hook and model averaging, and suits slow networks.

Limits: processes drift apart between meetings, and quality falls where meetings are too rare. Each process keeps its
own AdamW moments, so a killed training starts again. Verified on CPUs; the CUDA path has not been run on more than one
GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning import Callback
    from pytorch_lightning.strategies import Strategy

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class LocalSGD(DistributedTraining):
    """Trains each process by its own gradients, and averages parameters every few steps."""

    every: int = Field(8, ge=1, description="steps from one meeting to the next")
    together: int = Field(20, ge=0, description="first steps with averaged gradients")

    reference: ClassVar[str] = "https://arxiv.org/abs/1808.07217"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "none: each process has the whole, its own between meetings"

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from ._averaging import separate

        return separate(hardware, self.together)

    def callbacks(self) -> list[Callback]:
        """See `DistributedTraining`."""
        from ._averaging import Meetings

        return [Meetings(self.every)]
