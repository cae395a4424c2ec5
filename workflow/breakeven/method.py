"""The contracts of a method: compression of a model, a runtime that serves it, or a way of training it.

A method is a frozen pydantic dataclass: its fields are its hyperparameters, typed and range-checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class CompressionContext:
    """What a compression may use beside the model."""

    task: Task
    seed: int
    fine_tune: Callable[[nn.Module, float], None]  # (model, epochs): trains in place on the training set
    calibration_inputs: Callable[[int], Iterator[tuple[Tensor, ...]]]  # n training samples, in batches


class Method(ABC):
    """Common to all methods."""

    reference: ClassVar[str]  # the paper or document it follows

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """Why this method cannot serve this pair, or None. Decided before any work, without torch."""
        return None


class CompressionMethod(Method):
    """Module in, cheaper module out."""

    exportable: ClassVar[bool] = True  # False where no runtime can export the result; it then ends its chain

    @abstractmethod
    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        """A new module with the same call and output shape, in eval mode; the input stays untouched.

        Raises:
            CellFailure: an expected failure, such as a model without any layer the method applies to.
        """


class ExportedCompressionMethod(Method):
    """File in, cheaper file out: compression by a runtime's own tool, after the export to that runtime."""

    runtime: ClassVar[str]  # the runtime whose exported file it takes and gives

    @abstractmethod
    def compress(self, source: Path, target: Path, context: CompressionContext) -> None:
        """Write the compressed form of the file `source` to `target`; `source` stays untouched."""


class Runtime(Method):
    """Serves a model from a file."""

    suffix: ClassVar[str]  # of the exported file: ".onnx"

    @abstractmethod
    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write `model` (eval mode) to `path`, for any batch size."""

    @abstractmethod
    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """A callable of the model's own signature, float32 CPU or CUDA tensors in and out, in this process.

        It uses exactly `hardware.threads` threads on a CPU.
        """


class TrainingMethod(Method):
    """A way of training: engineering or distribution."""

    @abstractmethod
    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        """Keyword arguments of Lightning's `Trainer`: strategy, devices, num_nodes, precision."""
