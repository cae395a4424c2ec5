"""Data-parallel training that shards parameters, gradients and optimiser states (Zhao et al., VLDB 2023).

It uses torch's FSDP2 (`fully_shard`). Each process keeps its share of every tensor, gathers a block's parameters just
before it computes the block, and gets its share of the averaged gradients afterwards. Blocks are the elements of the
network's outermost lists of layers. ZeRO calls this stage 3, and stage 2 with `reshard=False`.

Limits: a step sends three times the parameters, in small pieces. Batch normalisation sees only its process's share of a
batch; its statistics are those of rank 0. On a CPU the C library keeps released memory, so memory per process shows
little of the saving. `MALLOC_MMAP_THRESHOLD_=1048576` in the environment shows it, and takes time. Verified on CPUs;
the CUDA path has not been run on more than one GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class FSDP(DistributedTraining):
    """Trains with sharded parameters, and gathers them block by block while they are computed with."""

    reshard: bool = Field(True, description="release a block's parameters between forward and backward pass")

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

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return cast("dict[str, Tensor]", get_model_state_dict(model, options=options))


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that are gathered at once: elements with parameters of the outermost lists of layers."""
    from torch import nn

    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from (block for block in child if any(True for _ in block.parameters()))
        else:
            yield from _blocks(child)
