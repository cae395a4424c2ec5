"""Data-parallel training with everything sharded: parameters, gradients and optimiser states (Zhao et al., VLDB 2023).

torch's FSDP2 (`fully_shard`): each process keeps its share of every tensor, gathers the parameters of a block just
before it computes it, and gets its share of the averaged gradients afterwards. Blocks are the elements of the network's
outermost lists of layers. This is what ZeRO calls stage 3, or 2 with `reshard=False`.

Limits: three times the parameters are sent in a step, and in small pieces. Batch normalisation sees the share of its
process; its statistics are those of rank 0. On a CPU the C library keeps what is let go, so memory per process shows
little of the saving unless `MALLOC_MMAP_THRESHOLD_=1048576` is in the environment, which takes time. Verified on CPUs;
the CUDA path has not been run on more than one GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class FSDP(DistributedTraining):
    """Parameters gathered block by block for as long as they are computed with."""

    reshard: bool = Field(True, description="whether a block's parameters are let go between forward and backward")

    reference: ClassVar[str] = "https://arxiv.org/abs/2304.11277"
    data_partition: ClassVar[str] = "by rows: each process has its share of the samples"
    model_partition: ClassVar[str] = "by rows of each tensor: parameters, gradients and optimiser states"
    splits_model: ClassVar[bool] = True

    @property
    def resumes(self) -> bool:
        """See `TrainingMethod`."""
        return True

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from breakeven.components import training_ranks

        return training_ranks.model_parallel(hardware, data_ranks=hardware.devices * hardware.nodes)

    def distribute(self, model: nn.Module, example_inputs: Callable[[int], tuple[Tensor, ...]]) -> nn.Module:
        """See `TrainingMethod`."""
        from torch.distributed.fsdp import fully_shard

        from breakeven.components import training_ranks

        mesh = training_ranks.mesh()
        for module in (*_blocks(model), model):
            fully_shard(module, mesh=mesh, reshard_after_forward=self.reshard)
        return model

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """See `TrainingMethod`."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """What is gathered at once: the elements, with parameters, of the outermost lists of layers."""
    from torch import nn

    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from (block for block in child if any(True for _ in block.parameters()))
        else:
            yield from _blocks(child)
