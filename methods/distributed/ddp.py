"""Data-parallel training: samples split over processes, gradients averaged (Li et al., VLDB 2020).

The global batch stays the task's, so each process gets its share of it. Backend: gloo on CPUs, nccl on GPUs.
Verified on CPUs; the CUDA path has not been run on more than one GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import TrainingMethod

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class DDP(TrainingMethod):
    """One process per device, gradients all-reduced in buckets while the backward pass runs."""

    reference: ClassVar[str] = "https://arxiv.org/abs/2006.15704"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.devices * hardware.nodes < 2:
            return f"needs two devices or more; {hardware.name} has one: use single_device there"
        return None

    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        from pytorch_lightning.strategies import DDPStrategy

        on_cpu = hardware.accelerator == "cpu"
        # A CPU rank is forked from this process, which has imported everything but computed nothing: no second
        # import. CUDA does not survive a fork.
        strategy = DDPStrategy(
            process_group_backend="gloo" if on_cpu else "nccl", start_method="fork" if on_cpu else "spawn"
        )
        return {"devices": hardware.devices, "num_nodes": hardware.nodes, "strategy": strategy}
