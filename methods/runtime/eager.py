"""Eager PyTorch: saves the whole module and calls it as it is. Every other runtime is compared with it.

Reference: https://docs.pytorch.org/docs/stable/notes/serialization.html
Limits: the file is a pickle, which runs code when it is loaded. Load only files whose sha256 the pipeline wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class Eager(Runtime):
    """Calls the module in inference mode."""

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/notes/serialization.html"
    suffix: ClassVar[str] = ".pt"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        import torch

        torch.save(model, path)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        import torch

        torch.set_num_threads(hardware.threads)
        module = torch.load(path, map_location=hardware.accelerator, weights_only=False).eval()

        def call(*inputs: Tensor) -> Tensor:
            with torch.inference_mode():
                return module(*inputs)

        return call
