"""Data-parallel training: samples split over processes, gradients averaged (Li et al., VLDB 2020).

The global batch stays the task's, so each process gets its share of it. Gradients are all-reduced in buckets while the
backward pass still runs, as they are, rounded to 16 bits, or as PowerSGD's two thin factors of each gradient matrix
with the error fed back (Vogels et al., arXiv:1905.13727). Backend: gloo on CPUs, nccl on GPUs.

Limits: every process holds the whole model, its gradients and its optimiser states. Batch normalisation sees the share
of its process. A killed training with PowerSGD starts again. Verified on CPUs; the CUDA path has not been run on more
than one GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy

    from breakeven.hardware import HardwareProfile

BEFORE_POWERSGD = 10  # steps: its factors start from gradients that have settled


@dataclass(frozen=True)
class DDP(DistributedTraining):
    """One process per device, gradients all-reduced in buckets while the backward pass runs."""

    sent: Literal["float32", "float16", "powersgd"] = Field("float32", description="in what form gradients are")
    rank: int = Field(2, ge=1, description="of PowerSGD's factors")
    bucket_mib: float = Field(25, gt=0, description="gradients that are sent at once [MiB]")

    reference: ClassVar[str] = "https://arxiv.org/abs/2006.15704"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "none: each process has the whole"

    @property
    def resumes(self) -> bool:
        """See `TrainingMethod`. PowerSGD has factors and errors of each process."""
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
