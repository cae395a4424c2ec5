"""Eager PyTorch on a GPU in half precision, where sparse tensor cores multiply linear layers whose weights have the 2:4
pattern of zeros. It serves models of `semi_structured_pruning`.

Reference: https://docs.pytorch.org/docs/stable/sparse.html#sparse-semi-structured-tensors; Mishra et al. 2021,
arXiv:2104.08378.
Limits: written from the documentation and not run on a GPU yet. It needs an NVIDIA GPU from Ampere on. Convolutions,
`nn.MultiheadAttention` and layers whose shape the kernels refuse are multiplied densely. Half precision by itself is a
part of the gain. The file is a pickle: load only files whose sha256 the pipeline wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

MULTIPLE = 64  # both sides of a matrix are multiples of it: every backend takes these in half precision


@dataclass(frozen=True)
class EagerSparse(Runtime):
    """Calls the module in inference mode, with its 2:4 weights in a compressed format."""

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/sparse.html"
    suffix: ClassVar[str] = ".sparse"
    precision: ClassVar[str | None] = "float16"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cuda":
            return "sparse tensor cores are a part of NVIDIA GPUs: list it under a CUDA profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        import torch

        torch.save(model, path)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        import torch

        module = torch.load(path, map_location="cuda", weights_only=False).half().eval()
        if not compress(module):
            raise CellFailure("unsupported", "no linear layer is sparse 2:4: put semi_structured_pruning before it")

        def call(*inputs: Tensor) -> Tensor:
            with torch.inference_mode():
                return module(*(x.half() if x.is_floating_point() else x for x in inputs)).float()

        return call


def compress(model: nn.Module) -> int:
    """Compress in place every weight that the sparse kernels take; return the number of these weights."""
    from torch import nn
    from torch.sparse import to_sparse_semi_structured

    fit = [m for m in model.modules() if type(m) is nn.Linear and is_two_of_four(m.weight)]
    for layer in fit:
        layer.weight = nn.Parameter(to_sparse_semi_structured(layer.weight.detach()), requires_grad=False)
    return len(fit)


def is_two_of_four(weight: Tensor) -> bool:
    """Return whether every four neighbouring inputs have at most two weights, and the kernels take the shape."""
    if any(size % MULTIPLE for size in weight.shape):
        return False
    return int((weight.detach().reshape(-1, 4) != 0).sum(1).max()) <= 2
