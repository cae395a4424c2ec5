"""TorchScript: the module traced once to a graph, its weights frozen into it, served without Python.

Reference: https://docs.pytorch.org/docs/stable/jit.html. The graph takes any batch size.
Limits: CPU profiles only, and deprecated in PyTorch. Of a branch on the values of the inputs, the graph keeps the case
it was traced with; a batch of other samples than those of the check may then go wrong unseen.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.jit import ScriptModule

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class TorchScript(Runtime):
    """Serves a frozen trace, optionally with convolutions in oneDNN's own layout."""

    onednn: bool = Field(
        False, description="oneDNN's layout of convolutions: faster in large batches, slower one by one"
    )

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/jit.html"
    suffix: ClassVar[str] = ".torchscript"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Raises CellFailure if the tracer refuses the module, or the graph gives other outputs."""
        from breakeven.components.exporting import refused, require_same_outputs, two_samples

        inputs = two_samples(example_inputs)
        try:
            _trace(model, inputs).save(str(path))
        except RuntimeError as error:
            raise refused(error) from error
        require_same_outputs(model, self._serve(path), inputs)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        import torch

        torch.set_num_threads(hardware.threads)
        return self._serve(path)

    def _serve(self, path: Path) -> Callable[..., Tensor]:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated
            module = torch.jit.load(path)
            if self.onednn:  # not before it is saved: weights in oneDNN's layout cannot be
                module = torch.jit.optimize_for_inference(module)

        def call(*inputs: Tensor) -> Tensor:
            with torch.inference_mode():
                return module(*inputs)

        return call


def _trace(model: nn.Module, inputs: tuple[Tensor, ...]) -> ScriptModule:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecated, and doubts about branches, which the check of outputs settles
        return torch.jit.freeze(torch.jit.trace(model, inputs, check_trace=False))
