"""Data-parallel training that shards optimiser states (ZeRO stage 1; Rajbhandari et al., SC 2020).

It trains as `ddp` does, but each process keeps AdamW's moments of its share of the parameters only. The process updates
that share and sends it to the others. The optimiser is torch's ZeroRedundancyOptimizer.

Limits: every process holds all parameters and gradients, and every step sends the parameters beside the gradients.
Verified on CPUs; the CUDA path has not been run on more than one GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import nn
    from torch.optim import Optimizer

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class Zero1(DistributedTraining):
    """Trains with gradients averaged as in `ddp`; each process updates its share of the parameters."""

    reference: ClassVar[str] = "https://arxiv.org/abs/1910.02054"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "optimiser states by parameters; parameters and gradients whole"

    @property
    def resumes(self) -> bool:
        """See `TrainingMethod`."""
        return True

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from breakeven.components import training_ranks

        return training_ranks.data_parallel(hardware)

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> Optimizer:
        """See `TrainingMethod`."""
        from torch.distributed.optim import ZeroRedundancyOptimizer
        from torch.optim import AdamW

        optimizer = ZeroRedundancyOptimizer(list(parameters), AdamW, lr=learning_rate, weight_decay=weight_decay)
        optimizer.defaults |= optimizer.optim.defaults  # learning-rate schedules look here for options they may change
        return optimizer
