"""Tensor-parallel training: splits layers by channels and sums partial results (Shoeybi et al., arXiv:1909.08053).

Every process sees the whole batch. Where two layers follow one another, each process has some of the channels between
them: columns of the first layer's matrix, rows of the second's, and the same channels of layers between, such as batch
normalisation. The second layer's results are partial, and are summed over the processes. In the backward pass, the
gradient of the first layer's inputs is summed too. Layers may be dense or convolutions. In the attention of timm's
vision transformers and of BERT, each process has some of the heads. torch's `parallelize_module` applies the plan.

Limits: pairs of layers are found by following the network's code without data, from its first layer on; a layer is in
one pair at most. Layers without a pair stay whole, and so do layers whose channels do not divide by the number of
processes, recurrent layers, embeddings and other attention. Every process computes the whole layers. Dropout drops the
same channels of each process's share. The processes send activations, which for a large batch and a small network are
more than its gradients. A killed training starts again. Verified on CPUs; the CUDA path has not been run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import DistributedTraining

if TYPE_CHECKING:
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class TensorParallel(DistributedTraining):
    """Trains some of the channels, or heads, in each process."""

    reference: ClassVar[str] = "https://arxiv.org/abs/1909.08053"
    data_partition: ClassVar[str] = "none: each process has all samples"
    model_partition: ClassVar[str] = "by columns and rows of layers' matrices: parameters, gradients, optimiser states"
    splits_model: ClassVar[bool] = True

    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """See `DistributedTraining`."""
        from breakeven.components import training_ranks

        return training_ranks.model_parallel(hardware, data_ranks=1)

    def distribute(self, model: nn.Module, example_inputs: Callable[[int], tuple[Tensor, ...]]) -> nn.Module:
        """See `TrainingMethod`."""
        from torch.distributed.tensor.parallel import parallelize_module

        from breakeven.components import training_ranks

        from ._channel_plan import plan

        mesh = training_ranks.mesh()
        found = plan(model, mesh.size())
        if not found:
            reason = f"no two successive layers have channels that divide by {mesh.size()}: use ddp"
            raise CellFailure("unsupported", reason)
        return parallelize_module(model, mesh, found)

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """See `TrainingMethod`."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return cast("dict[str, Tensor]", get_model_state_dict(model, options=options))
