"""Tensor-parallel inference: splits layers by channels and sums partial results (Shoeybi et al., arXiv:1909.08053).
Even one sample is split, so a request is answered sooner where a layer computes for longer than its results take to be
summed. Speed-ups are over eager in one process of the same profile, which leaves the other processes' cores idle.

The plan is that of `tensor_parallel`: where two layers follow one another, each process has some of the channels
between them; in attention, it has some of the heads. The second layer's results are summed over the processes, through
shared memory. Each device of the profile has one process, which has the whole batch.

Limits: those of `tensor_parallel`. Every process computes the whole layers that cannot be split. A network without
layers to split, such as a quantised one, is refused. Every process loads the whole model and then keeps its part. The
processes run on the CPUs of one machine; there is no CUDA path. With more than two processes, their sums differ by
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import DistributedRuntime

if TYPE_CHECKING:
    from torch import Tensor

    from breakeven.components.serving_ranks import Rank
    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class TensorParallelInference(DistributedRuntime):
    """Serves some of the channels, or heads, in each process."""

    reference: ClassVar[str] = "https://arxiv.org/abs/1909.08053"
    suffix: ClassVar[str] = ".pt"
    data_partition: ClassVar[str] = "none: each process has the whole batch"
    model_partition: ClassVar[str] = "by columns and rows of layers' matrices"

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """See `Runtime`.

        Raises:
            CellFailure: `unsupported`, where no layers can be split.
        """
        import torch

        from breakeven.components import serving_ranks

        from ._channel_plan import plan

        module = torch.load(path, map_location="cpu", weights_only=False).eval()
        found = plan(module, hardware.devices)
        if not found:
            reason = f"no two successive layers have channels that divide by {hardware.devices}"
            raise CellFailure("unsupported", f"{reason}: use data_parallel_inference")

        def make(rank: Rank) -> Callable[..., Tensor]:
            for name, style in found.items():
                style._apply(module.get_submodule(name), rank)  # type: ignore[arg-type]  # a rank has the methods that a style asks of a mesh

            def lead(*inputs: Tensor) -> Tensor:
                rank.broadcast(*inputs)
                return module(*inputs)

            return module if rank.number else lead

        return serving_ranks.serve(hardware, make)
