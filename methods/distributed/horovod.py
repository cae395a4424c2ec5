"""Data-parallel training by Horovod's ring all-reduce (Sergeev and Del Balso 2018), kept as a gap on the board.

Horovod made data parallelism a line of code before torch had `ddp`, which uses the same algorithm. Its last release,
0.28.1 of 2023, does not build against the torch used here, and Lightning dropped its strategy in version 2.

Limits: it runs nowhere, and its cells say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

GONE = "Horovod 0.28.1, its last release, does not build against this torch"


@dataclass(frozen=True)
class Horovod(DistributedTraining):
    """Trains with gradients that Horovod's own ring all-reduce averages; always refused."""

    reference: ClassVar[str] = "https://arxiv.org/abs/1802.05799"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "none: each process has the whole"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        return f"{GONE} ({hardware.name}): use ddp"

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        raise CellFailure("unsupported", f"{GONE}: use ddp")
