"""Data-parallel training with sharded states by DeepSpeed: ZeRO stages 1 to 3 (Rajbhandari et al., SC 2020).

Each process keeps its share of AdamW's moments (stage 1), of the averaged gradients too (stage 2), and of the
parameters too (stage 3), which are gathered module by module just before they are computed with. DeepSpeed's own engine
runs under Lightning's strategy for it, with gloo on CPUs and nccl on GPUs.

Limits: an optional package. In stage 3 every parameter is released after use, and none is gathered ahead. DeepSpeed's
defaults would keep small parameters and gather the next ones early, which in small networks are all of them. Batch
normalisation sees only its process's share of a batch; its statistics are those of rank 0. The engine takes memory of
its own, which for a small network outweighs the saving. A killed training starts again. Verified on CPUs; the CUDA path
has not been run.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class DeepSpeed(DistributedTraining):
    """Trains with optimiser states, gradients and parameters sharded, as far as the stage says."""

    stage: int = Field(2, ge=1, le=3, description="1 shards optimiser states, 2 also gradients, 3 also parameters")

    reference: ClassVar[str] = "https://arxiv.org/abs/1910.02054"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "by elements: optimiser states, from stage 2 gradients, in stage 3 parameters"
    splits_model: ClassVar[bool] = True

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        return super().unsupported(task, hardware) or (None if find_spec("deepspeed") else _missing(hardware))

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        if not find_spec("deepspeed"):
            raise CellFailure("unsupported", _missing(hardware))
        from ._zero import zero

        return zero(hardware, self.stage)

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """See `TrainingMethod`."""
        from ._zero import whole_state

        return whole_state(model)


def _missing(hardware: HardwareProfile) -> str:
    return f"the package deepspeed is not installed ({hardware.name}): run 'pip install deepspeed'"
