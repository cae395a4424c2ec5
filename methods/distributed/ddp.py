"""Data-parallel training: splits the samples over processes and averages their gradients (Li et al., VLDB 2020).

The global batch size stays the task's, so each process gets its share of a batch. Gradients are all-reduced in buckets
while the backward pass still runs. They are sent as they are, rounded to 16 bits, or as PowerSGD's two thin factors of
each gradient matrix with error feedback (Vogels et al., arXiv:1905.13727). The backend is gloo on CPUs, nccl on GPUs.

Limits: every process holds the whole model, its gradients and its optimiser states. Batch normalisation sees only its
process's share of a batch. A killed training with PowerSGD starts again. Verified on CPUs; the CUDA path has not been
run on more than one GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy

    from breakeven.hardware import HardwareProfile

BEFORE_POWERSGD = 10  # steps with plain all-reduce: PowerSGD starts when gradients have settled


@dataclass(frozen=True)
class DDP(DistributedTraining):
    """Trains with one process per device; gradients are all-reduced in buckets while the backward pass runs."""

    sent: Literal["float32", "float16", "powersgd"] = Field("float32", description="form in which gradients are sent")
    rank: int = Field(2, ge=1, description="rank of PowerSGD's factors")
    bucket_mib: float = Field(25, gt=0, description="size of the gradients sent at once [MiB]")

    reference: ClassVar[str] = "https://arxiv.org/abs/2006.15704"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "none: each process has the whole"

    @property
    def resumes(self) -> bool:
        """See `TrainingMethod`. With PowerSGD, each process has its own factors and errors, which are not saved."""
        return self.sent != "powersgd"

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from breakeven.components import training_ranks

        return training_ranks.data_parallel(hardware, bucket_cap_mb=self.bucket_mib, **self._hook())

    def _hook(self) -> dict[str, Any]:
        from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

        if self.sent == "float16":
            return {"hook": default_hooks.fp16_compress_hook}
        if self.sent == "powersgd":
            state = powerSGD_hook.PowerSGDState(
                process_group=None, matrix_approximation_rank=self.rank, start_powerSGD_iter=BEFORE_POWERSGD
            )
            return {"hook_state": state, "hook": powerSGD_hook.powerSGD_hook}
        return {}
