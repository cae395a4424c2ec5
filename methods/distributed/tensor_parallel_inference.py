"""Tensor-parallel inference: layers split by channels, partial results merged (Shoeybi et al., arXiv:1909.08053). One
sample is split too, so that a request may be answered sooner, where a layer computes for longer than its result takes
to be merged. Speed-ups are over eager in one process of the same profile, which leaves the cores of the others idle.

The plan is that of `tensor_parallel`: of two layers that follow one another each process has some of the channels
between them, and of attention some of the heads; what the second layer makes is summed over the processes, through
memory that they share. Every process, one per device of the profile, has the whole batch.

Limits: as of `tensor_parallel`; what stays whole is computed in every process, and a network without such layers, as
quantised ones are, is refused. Every process loads the whole model and then keeps its part. Processes of one machine,
on CPUs; there is no CUDA path. Sums of more than two processes differ by rounding from one to the other.
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
    """Some of the channels, or heads, in each process."""

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
            reason = f"no two of its layers follow one another with channels that divide by {hardware.devices}"
            raise CellFailure("unsupported", f"{reason}: use data_parallel_inference")

        def make(rank: Rank) -> Callable[..., Tensor]:
            for name, style in found.items():
                style._apply(module.get_submodule(name), rank)  # type: ignore[arg-type]  # all it asks of a mesh

            def lead(*inputs: Tensor) -> Tensor:
                rank.broadcast(*inputs)
                return module(*inputs)

            return module if rank.number else lead

        return serving_ranks.serve(hardware, make)
