"""Plain training in one process: the reference that every other training method is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import TrainingMethod

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class SingleDevice(TrainingMethod):
    """Trains in one process on one device, in float32."""

    data_partition: ClassVar[str] = "none: one process has all samples"
    model_partition: ClassVar[str] = "none: one process has the whole"
    reference: ClassVar[str] = "https://lightning.ai/docs/pytorch/stable/common/trainer.html"

    @property
    def resumes(self) -> bool:
        """See `TrainingMethod`."""
        return True

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.devices * hardware.nodes > 1:
            return f"uses one device; {hardware.name} has {hardware.devices * hardware.nodes}: use ddp there"
        return None

    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        return {"devices": 1, "num_nodes": 1}
