"""Pipelined inference: layers lie in stages on processes, through which a batch's parts run (Huang et al.,
arXiv:1811.06965). A batch of one sample passes stage after stage: it is answered no sooner than by one process, and
later by the hand-over. Speed-ups are over eager in one process of the same profile, which leaves the cores of the
others idle.

The stages are those of `pipeline_parallel`: cut where each has about as many operations, and the two parts give what
the network does. One process per device of the profile. A stage computes one micro-batch while the next stage has the
one before: throughput grows with the number of stages, less what they wait for the first micro-batch and for the
slowest stage. What a pipeline is for is a model that one device cannot hold.

Limits: as of `pipeline_parallel`: refused are networks whose values pass by every place to cut them. What comes before
its stage each process runs on shapes, which takes time in every micro-batch. Two samples lie in the file beside the
model, to cut it by. Every process loads the whole model and then keeps its stage. Processes of one machine, on CPUs;
there is no CUDA path.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedRuntime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.components.serving_ranks import Rank
    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class PipelineInference(DistributedRuntime):
    """One stage of the network in each process, a batch's parts passing through them."""

    micro_batches: int = Field(4, ge=1, description="parts of a batch; fewer wait more, more compute less well")

    reference: ClassVar[str] = "https://arxiv.org/abs/1811.06965"
    suffix: ClassVar[str] = ".stages"
    data_partition: ClassVar[str] = "by time: every sample passes all processes, in micro-batches"
    model_partition: ClassVar[str] = "by layers: each process has the parameters of its stage"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """See `Runtime`."""
        import torch

        from breakeven.components.exporting import two_samples

        torch.save((model, tuple(two_samples(example_inputs))), path)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """See `Runtime`.

        Raises:
            CellFailure: `unsupported`, where the network cannot be cut.
        """
        import torch

        from breakeven.components import serving_ranks

        from ._stages import Stage, cut

        module, samples = torch.load(path, map_location="cpu", weights_only=False)
        order, cuts = cut(module.eval(), samples, hardware.devices)

        def make(rank: Rank) -> Callable[..., Tensor | None]:
            stage = Stage(module, order, cuts, rank.number, torch.device("cpu"))
            work = partial(_work, rank, stage, self.micro_batches)

            def lead(*inputs: Tensor) -> Tensor:
                rank.broadcast(*inputs)
                work(*inputs)
                return rank.receive(rank.size() - 1)[0]

            return work if rank.number else lead

        return serving_ranks.serve(hardware, make)


def _work(rank: Rank, stage: nn.Module, micro_batches: int, *inputs: Tensor) -> None:
    """Take a batch's parts through a stage, from the one before it to the one behind."""
    import torch

    parts, outputs = min(len(inputs[0]), micro_batches), []
    for part in zip(*(x.tensor_split(parts) for x in inputs), strict=True):
        received = rank.receive(rank.number - 1) if rank.number else []
        made = stage(*received, inputs=part)
        if rank.number + 1 < rank.size():
            rank.send(rank.number + 1, *made)
        else:
            outputs.append(made)
    if outputs:
        rank.send(0, torch.cat(outputs))  # all at once: rank 0 takes nothing while it has parts of its own to do
