"""TorchScript: traces the module once to a graph with frozen weights, and serves the graph without Python.

Reference: https://docs.pytorch.org/docs/stable/jit.html. The graph takes any batch size.
Limits: CPU profiles only, and deprecated in PyTorch. Where the module branches on the values of its inputs, the graph
keeps the traced branch only; a batch unlike those of the check may then give wrong outputs unnoticed.
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
    """Serves a frozen trace, optionally with convolutions in oneDNN's layout."""

    onednn: bool = Field(
        False, description="oneDNN's layout for convolutions: faster in large batches, slower at batch 1"
    )

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/jit.html"
    suffix: ClassVar[str] = ".torchscript"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write the graph: see `Runtime`.

        Raises:
            CellFailure: the tracer refuses the module, or the graph gives other outputs.
        """
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
            warnings.simplefilter("ignore")  # of deprecation
            module = torch.jit.load(path)
            if self.onednn:  # after loading: weights in oneDNN's layout cannot be saved
                module = torch.jit.optimize_for_inference(module)

        def call(*inputs: Tensor) -> Tensor:
            with torch.inference_mode():
                return module(*inputs)

        return call


def _trace(model: nn.Module, inputs: tuple[Tensor, ...]) -> ScriptModule:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of deprecation, and of branches: outputs are checked
        return torch.jit.freeze(torch.jit.trace(model, inputs, check_trace=False))
