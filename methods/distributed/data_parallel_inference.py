"""Data-parallel inference: a batch is split over processes that each hold the whole model, their outputs gathered. A
batch of one sample has nothing to split: one process serves it, and gains nothing. Speed-ups are over eager in one
process of the same profile, which leaves the cores of the others idle.

One process per device of the profile, each with its number of threads. The first is the one that is asked: it computes
a share of the batch too, and puts the others' inputs into memory that they share. More processes also serve more
requests at a time, which is not measured here.

Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html, with processes in place of
threads.
Limits: processes of one machine, on CPUs; there is no CUDA path. Padded samples stay as long as the whole batch's
longest. A compression that measures activations in a batch sees those of a share. Weights are in memory once: forked
processes share them.
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
    """Some of a batch's samples in each process."""

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
