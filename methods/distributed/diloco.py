"""Local training with an outer optimiser: DiLoCo (Douillard et al., arXiv:2311.08105).

Each process takes many AdamW steps from a common model. At a meeting, the processes' mean change serves as a gradient:
an outer SGD with Nesterov momentum takes a step from the common model to the next one. DiLoCo sends the least of all
training methods here.

Limits: the outer rate and momentum are those of the paper, which trained language models for tens of thousands of
steps; a training of some hundred steps has few meetings. Each process keeps its own AdamW moments, so a killed training
starts again. Verified on CPUs; the CUDA path has not been run on more than one GPU.
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
class DiLoCo(DistributedTraining):
    """Trains by AdamW in each process, and by SGD with Nesterov momentum on the processes' mean change."""

    every: int = Field(32, ge=1, description="inner steps from one meeting to the next")
    outer_rate: float = Field(0.7, gt=0, description="learning rate of the outer optimiser")
    outer_momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum of the outer optimiser")

    reference: ClassVar[str] = "https://arxiv.org/abs/2311.08105"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "none: each process has the whole, its own between meetings"

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from ._averaging import separate

        return separate(hardware, 0)

    def callbacks(self) -> list[Callback]:
        """See `DistributedTraining`."""
        from ._outer import OuterSteps

        return [OuterSteps(self.every, self.outer_rate, self.outer_momentum)]
