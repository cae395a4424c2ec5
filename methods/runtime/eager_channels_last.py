"""Eager PyTorch with images and convolutions' weights in channels-last order, which oneDNN's kernels prefer.

Reference: https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html
Limits: a model without convolutions over 4-d inputs gains nothing and is refused. The file is a pickle, as eager's is.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class EagerChannelsLast(Runtime):
    """Calls the module in inference mode; the call includes reordering the inputs."""

    reference: ClassVar[str] = "https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html"
    suffix: ClassVar[str] = ".nhwc"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Save the module in channels-last order: see `Runtime`.

        Raises:
            CellFailure: `unsupported`, where there are no 4-d inputs or no 4-d weights.
        """
        import torch

        weights = chain(model.parameters(), model.buffers())
        if not any(x.dim() == 4 for x in example_inputs) or not any(weight.dim() == 4 for weight in weights):
            raise CellFailure("unsupported", "the model has no convolution over 4-d inputs: use eager")
        torch.save(deepcopy(model).to(memory_format=torch.channels_last), path)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        import torch

        torch.set_num_threads(hardware.threads)
        module = torch.load(path, map_location=hardware.accelerator, weights_only=False).eval()

        def call(*inputs: Tensor) -> Tensor:
            ordered = (x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in inputs)
            with torch.inference_mode():
                return module(*ordered)

        return call
