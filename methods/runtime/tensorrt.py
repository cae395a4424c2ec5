"""TensorRT on an NVIDIA GPU: compiles the module to engines of fused kernels, by Torch-TensorRT.

Reference: https://docs.pytorch.org/TensorRT/. Batches above 256 samples are served in parts.
Limits: CUDA profiles only; an optional package. The export needs the GPU, and the file serves only on GPUs of that
model. Float layers compute in float32. Written from the documentation and never run on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
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

LARGEST, USUAL = 256, 32  # samples per batch: an engine is built for a range, and tuned for one size in it
MISSING = "the package torch-tensorrt is not installed: run 'pip install torch-tensorrt'"


@dataclass(frozen=True)
class TensorRT(Runtime):
    """Serves an exported program that holds TensorRT engines."""

    reference: ClassVar[str] = "https://docs.pytorch.org/TensorRT/"
    suffix: ClassVar[str] = ".pt2"  # torch.export insists on it
    package: ClassVar[str] = "torch-tensorrt"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cuda":
            return "serves on NVIDIA GPUs only: list it under a CUDA profile"
        return None if find_spec("torch_tensorrt") else MISSING

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write the engines: see `Runtime`.

        Raises:
            CellFailure: the package or a GPU is missing, TensorRT refuses the model, or the file gives other outputs.
        """
        import torch

        from breakeven.components.exporting import (
            open_shape,
            program,
            refused,
            require_same_outputs,
            two_samples,
            varying,
        )

        if not find_spec("torch_tensorrt"):
            raise CellFailure("unsupported", MISSING)
        if not torch.cuda.is_available():
            raise CellFailure(
                "no_hardware",
                "building engines needs a GPU: use a machine with one",
            )
        import torch_tensorrt

        model, inputs = deepcopy(model).cuda(), two_samples(example_inputs, "cuda")
        ranges = [
            torch_tensorrt.Input(
                min_shape=tuple(map(abs, shape)),
                opt_shape=(USUAL, *x.shape[1:]),
                max_shape=(LARGEST, *x.shape[1:]),
                dtype=x.dtype,
            )
            for x, shape in zip(inputs, open_shape(inputs), strict=True)
        ]
        try:
            compiled = torch_tensorrt.dynamo.compile(
                program(model, inputs, LARGEST), arg_inputs=ranges, disable_tf32=True
            )
            # From ranges alone it would take the batch sizes of two inputs for two different numbers.
            torch_tensorrt.save(compiled, str(path), arg_inputs=tuple(inputs), dynamic_shapes=varying(inputs, LARGEST))
        except RuntimeError as error:
            raise refused(error) from error
        require_same_outputs(model, _serve(path), inputs)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(path)


def _serve(path: Path) -> Callable[..., Tensor]:
    import torch
    import torch_tensorrt

    module = torch_tensorrt.load(str(path)).module()

    def call(*inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            parts = [module(*part) for part in zip(*(x.split(LARGEST) for x in inputs), strict=True)]
            return parts[0] if len(parts) == 1 else torch.cat(parts)

    return call
