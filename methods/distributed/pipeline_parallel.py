"""Pipeline parallelism: splits the layers over processes, and runs micro-batches through them (GPipe and 1F1B).

Each process has one stage of the network. A batch is split into micro-batches, so that a stage computes one while the
next stage computes the one before. Gradients add up over the micro-batches. GPipe (Huang et al., arXiv:1811.06965) runs
all forward passes, then all backward passes. 1F1B (Narayanan et al., arXiv:1806.03377) alternates them, and so holds
activations of only as many micro-batches as there are stages. With p equally slow stages and m micro-batches, a stage
waits (p - 1) / (m + p - 1) of the time. The schedules are torch's. The processes send only activations at a cut and
their gradients.

A cut lies at a module's call. Modules are tried in the order of how evenly they split the operations, and the first one
is taken whose two parts give the network's outputs on two samples. Each stage runs the network's own forward pass and
leaves it at its end. It runs the layers before its beginning on shapes only.

Limits: batch normalisation sees micro-batches, and updates its statistics once per micro-batch. Each stage draws its
own dropout. The method refuses networks whose values pass by every place to cut them (such as embeddings that are also
used behind their encoder), that share weights over stages, or that leave a stage almost no work. Operations are a rough
measure of time. The first batch of a new shape (texts of another length) costs one micro-batch more. A killed training
starts again. Verified on CPUs, with two and four processes; the CUDA path has not been run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.method import Loss
    from breakeven.task import Task

    from ._pipeline import Pipeline

TRIED_ON = 2  # samples that cuts are tried on


@dataclass(frozen=True)
class PipelineParallel(DistributedTraining):
    """Trains one stage of the network per device; a batch's parts pass through the stages."""

    schedule: Literal["gpipe", "1f1b"] = Field("gpipe", description="gpipe: all forward passes first; 1f1b: in turn")
    micro_batches: int = Field(4, ge=1, description="equal parts of a batch; few wait more, many compute less well")

    reference: ClassVar[str] = "https://arxiv.org/abs/1811.06965"
    data_partition: ClassVar[str] = "by time: every sample passes all processes, in micro-batches"
    model_partition: ClassVar[str] = "by layers: parameters, gradients and optimiser states of a stage"
    splits_model: ClassVar[bool] = True

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        stages, batch = hardware.devices * hardware.nodes, task.recipe.batch_size
        if reason := super().unsupported(task, hardware):
            return reason
        if batch % self.micro_batches:
            parts = f"a batch of {batch} cannot be split into {self.micro_batches} equal parts"
            return f"{parts} ({hardware.name}): use micro_batches that divide it"
        if self.schedule == "1f1b" and self.micro_batches < stages:
            too_few = f"1F1B needs as many micro-batches as stages, and {hardware.name} has {stages}"
            return f"{too_few}: use micro_batches={stages} or more, or schedule=gpipe"
        return None

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from breakeven.components import training_ranks

        from . import _pipeline  # noqa: F401  # imported once, in the process that the others are forked from

        return training_ranks.model_parallel(hardware, data_ranks=1)

    def distribute(self, model: nn.Module, example_inputs: Callable[[int], tuple[Tensor, ...]]) -> nn.Module:
        """See `TrainingMethod`."""
        import torch

        from breakeven.components import training_ranks

        from ._pipeline import Pipeline
        from ._stages import Stage, cut

        mesh = training_ranks.mesh()
        order, cuts = cut(model, example_inputs(TRIED_ON), mesh.size())
        return Pipeline(Stage(model, order, cuts, mesh.get_rank(), torch.device(mesh.device_type)))

    def gradients(self, model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor, loss: Loss) -> Tensor:
        """See `TrainingMethod`."""
        return cast("Pipeline", model).gradients(self.schedule, self.micro_batches, inputs, target, loss)

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """See `TrainingMethod`."""
        return cast("Pipeline", model).whole_state()
