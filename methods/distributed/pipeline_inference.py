"""Pipelined inference: puts each stage of layers on a process, and runs a batch's parts through the stages (Huang et
al., arXiv:1811.06965). A batch of one sample passes one stage after the other, so its answer comes later than from one
process, by the hand-over. Speed-ups are over eager in one process of the same profile, which leaves the other
processes' cores idle.

The stages are those of `pipeline_parallel`: each has about the same number of operations, and together they give the
network's outputs. Each device of the profile has one process. A stage computes one micro-batch while the next stage
computes the one before. Throughput grows with the number of stages, less the waits for the first micro-batch and for
the slowest stage. The purpose of a pipeline is a model that one device cannot hold.

Limits: as in `pipeline_parallel`, networks are refused whose values pass by every place to cut them. Each process runs
the layers before its stage on shapes, which takes time in every micro-batch. The file holds two samples beside the
model, to find the cuts by. Every process loads the whole model and then keeps its stage. The processes run on the CPUs
of one machine; there is no CUDA path.
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
    """Serves one stage of the network in each process; a batch's parts pass through the stages."""

    micro_batches: int = Field(4, ge=1, description="parts of a batch; few wait more, many compute less well")

    reference: ClassVar[str] = "https://arxiv.org/abs/1811.06965"
    suffix: ClassVar[str] = ".stages"
    data_partition: ClassVar[str] = "by time: every sample passes all processes, in micro-batches"
    model_partition: ClassVar[str] = "by layers: each process has the parameters of its stage"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Save the module with two samples to find the cuts by: see `Runtime`."""
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
    """Run a batch's parts through this stage: receive from the stage before, send to the next one."""
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
        rank.send(0, torch.cat(outputs))  # all at once: rank 0 receives nothing while it computes its own parts
