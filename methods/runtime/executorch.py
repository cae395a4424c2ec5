"""ExecuTorch on the CPU: lowers the module for PyTorch's runtime for phones, with XNNPACK's kernels where possible.

Reference: https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-overview.html
Limits: CPU profiles only; an optional package. Batches above 256 samples are served in parts, because the program
plans its memory ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

LARGEST = 256  # samples per batch
MISSING = "the package executorch is not installed: run 'pip install executorch'"


@dataclass(frozen=True)
class ExecuTorch(Runtime):
    """Serves an ExecuTorch program."""

    reference: ClassVar[str] = "https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-overview.html"
    suffix: ClassVar[str] = ".pte"
    package: ClassVar[str] = "executorch"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None if find_spec("executorch") else MISSING

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write the program: see `Runtime`.

        Raises:
            CellFailure: the package is missing, the exporter refuses the model, or the file gives other outputs.
        """
        import torch

        from breakeven.components.exporting import refused, require_same_outputs, two_samples

        if not find_spec("executorch"):
            raise CellFailure("unsupported", MISSING)
        from executorch.exir.verification.verifier import SpecViolationError

        inputs = two_samples(example_inputs)
        try:
            path.write_bytes(_lower(model, inputs))
            call = _serve(path, 1)
        except (RuntimeError, SpecViolationError, torch._dynamo.exc.TorchDynamoException) as error:
            raise refused(error) from error
        require_same_outputs(model, call, inputs)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(path, hardware.threads)


def _lower(model: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from torch.backends import mkldnn, nnpack

    from breakeven.components.exporting import program

    # PyTorch's own kernels depend on the batch size, and would narrow its range.
    with torch.no_grad(), mkldnn.flags(enabled=False), nnpack.flags(enabled=False):
        exported = program(model, inputs, LARGEST)
        return to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch().buffer


def _serve(path: Path, threads: int) -> Callable[..., Tensor]:
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime as Programs

    _unsafe_reset_threadpool(threads)
    program = Programs.get().load_program(str(path))
    forward = program.load_method("forward")
    assert forward is not None

    def call(*inputs: Tensor) -> Tensor:
        parts = [forward.execute(part)[0] for part in zip(*(x.split(LARGEST) for x in inputs), strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return call
