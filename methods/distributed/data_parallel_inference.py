"""Data-parallel inference: splits a batch over processes that each hold the whole model, and gathers their outputs. A
batch of one sample cannot be split, so one process serves it and gains nothing. Speed-ups are over eager in one process
of the same profile, which leaves the other processes' cores idle.

Each device of the profile has one process, with the profile's number of threads. The first process is asked for
outputs. It computes a share of the batch too, and puts the others' inputs into shared memory. More processes also serve
more requests at a time, which is not measured here.

Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html, with processes in place of
threads.
Limits: the processes run on the CPUs of one machine; there is no CUDA path. Padded samples stay as long as the longest
of the whole batch. A compression that measures activations per batch sees those of a share. Weights are in memory only
once, because forked processes share them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import DistributedRuntime

if TYPE_CHECKING:
    from torch import Tensor

    from breakeven.components.serving_ranks import Rank
    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class DataParallelInference(DistributedRuntime):
    """Serves some of a batch's samples in each process."""

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html"
    suffix: ClassVar[str] = ".pt"
    data_partition: ClassVar[str] = "by rows: each process has its share of a batch"
    model_partition: ClassVar[str] = "none: each process has the whole"

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """See `Runtime`."""
        import torch

        from breakeven.components import serving_ranks

        module = torch.load(path, map_location="cpu", weights_only=False).eval()

        def make(rank: Rank) -> Callable[..., Tensor | None]:
            def lead(*inputs: Tensor) -> Tensor:
                shares = min(len(inputs[0]), rank.size())
                own, *others = zip(*(x.tensor_split(shares) for x in inputs), strict=True)
                for number, share in enumerate(others, 1):
                    rank.send(number, *share)
                outputs = [module(*own), *(rank.receive(number)[0] for number in range(1, shares))]
                return torch.cat(outputs) if others else outputs[0]

            return (lambda *inputs: rank.send(0, module(*inputs))) if rank.number else lead

        return serving_ranks.serve(hardware, make)
