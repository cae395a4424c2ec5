"""The contracts of a method: compression of a model, a runtime that serves it, or a way of training it.

A method is a frozen pydantic dataclass: its fields are its hyperparameters, typed and range-checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, get_args

if TYPE_CHECKING:
    from pytorch_lightning import Callback
    from pytorch_lightning.strategies import Strategy
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


# What a compression changes, in the order in which a chain may do it: each undoes what comes after it in this list.
Change = Literal["network", "layers", "zeros", "values", "precision"]
ORDER: tuple[Change, ...] = get_args(Change)
WHAT: dict[Change, str] = {  # each change in words
    "network": "the network",
    "layers": "the shapes of its layers",
    "zeros": "which weights are zero",
    "values": "the values of its weights",
    "precision": "its precision",
}
Batch = tuple[tuple["Tensor", ...], "Tensor"]  # inputs and target, samples first
Loss = Callable[["Tensor", "Tensor"], "Tensor"]  # of outputs and target: a scalar, the mean over the batch


@dataclass(frozen=True)
class Teaching:
    """Knowledge distillation: a model learns from another's outputs too (Hinton et al. 2015, arXiv:1503.02531)."""

    teacher: nn.Module
    weight: float = 0.5  # of the teacher's part in the loss; the rest is the task's own
    temperature: float = 2.0  # above 1 the teacher's smaller outputs count for more


class FineTune(Protocol):
    """Trains a model in place on the training set; weights that are zero stay zero."""

    def __call__(self, model: nn.Module, epochs: float, *, rate: float = 0.3, teaching: Teaching | None = None) -> None:
        """`epochs` over the training set, at `rate` times the recipe's learning rate."""


@dataclass(frozen=True)
class CompressionContext:
    """What a compression may use beside the model. Of the test set, the task's `example_inputs` alone, for shapes."""

    task: Task
    seed: int
    fine_tune: FineTune
    training_samples: Callable[[int], Iterator[Batch]]  # n of them, in batches
    validate: Callable[[Callable[..., Tensor]], float]  # the task's quality on the validation set


class Method(ABC):
    """Common to all methods."""

    reference: ClassVar[str]  # the paper or document it follows

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """Why this method cannot serve this pair, or None. Decided before any work, without torch."""
        return None


class CompressionMethod(Method):
    """Makes a model cheaper: a module (`compress`), or where `on_file` says so a runtime's file (`compress_file`)."""

    changes: ClassVar[Change] = "values"

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if cls.compress is CompressionMethod.compress and cls.compress_file is CompressionMethod.compress_file:
            raise TypeError("it has neither `compress` nor `compress_file`")
        return super().__new__(cls)

    @property
    def runtime(self) -> str | None:
        """The one runtime that serves the result; None where any does that takes a module."""
        return None

    @property
    def on_file(self) -> bool:
        """Whether it works on the file that its runtime exported, by that runtime's own tools."""
        return False

    @property
    def precision(self) -> str | None:
        """What weights are stored in from here on, such as int8; None where that stays."""
        return None

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        """A new module with the same call and output shape, in eval mode; the input stays untouched.

        Raises:
            CellFailure: an expected failure, such as a model without any layer the method applies to.
        """
        raise NotImplementedError

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        """Write the compressed form of the file `source` to `target`; `source` stays untouched."""
        raise NotImplementedError


class Runtime(Method):
    """Serves a model from a file."""

    suffix: ClassVar[str]  # of the exported file: ".onnx"
    least_devices: ClassVar[int] = 1  # that it serves on
    package: ClassVar[str] = "torch"  # whose version is the runtime's
    precision: ClassVar[str | None] = None  # it computes in, where it is not what the file has

    @abstractmethod
    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write `model` (eval mode) to `path`, for any batch size."""

    @abstractmethod
    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """A callable of the model's own signature, float32 CPU or CUDA tensors in and out, in this process.

        It uses exactly `hardware.threads` threads on a CPU; on several devices, in each of as many processes.
        """


class DistributedRuntime(Runtime):
    """Calls a module in several processes of one machine, one per device."""

    data_partition: ClassVar[str]  # how the samples of a batch lie on the processes
    model_partition: ClassVar[str]  # how parameters do
    least_devices: ClassVar[int] = 2

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        if hardware.devices < self.least_devices:
            return f"needs two devices or more; {hardware.name} has one: use eager there"
        if hardware.accelerator != "cpu" or hardware.network_mbit is not None:
            what = "serves from processes that share a CPU's memory"
            return f"{what}, which is not what {hardware.name} is: use a CPU profile of several devices and no link"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """See `Runtime`. The module as it is: how many processes will serve it is not known yet."""
        import torch

        torch.save(model, path)


class TrainingMethod(Method):
    """A way of training: engineering or distribution. Its hooks run in every process of the training."""

    data_partition: ClassVar[str]  # how the samples of a global batch lie on the processes
    model_partition: ClassVar[str]  # how parameters, gradients and optimiser states do
    splits_model: ClassVar[bool] = False  # whether no process has the whole of it

    @abstractmethod
    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        """Keyword arguments of Lightning's `Trainer`: strategy, devices, num_nodes, precision, callbacks."""

    def distribute(self, model: nn.Module, example_inputs: Callable[[int], tuple[Tensor, ...]]) -> nn.Module:
        """The model as this process trains it, once the processes know one another; by default the whole of it.

        Args:
            example_inputs: of so many samples, for shapes: see `Task`.

        Raises:
            CellFailure: `unsupported`, where the network has nothing that can be distributed in this way.
        """
        return model

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> Optimizer:
        """What updates the parameters of this process: AdamW, as the recipe says."""
        from torch.optim import AdamW

        return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)

    @property
    def resumes(self) -> bool:
        """Whether a training goes on exactly from model, optimiser and schedule; else it starts again after a kill."""
        return False

    @property
    def computes_gradients(self) -> bool:
        """Whether `gradients` takes the place of the usual forward and backward pass."""
        return type(self).gradients is not TrainingMethod.gradients

    def gradients(self, model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor, loss: Loss) -> Tensor:
        """Leave the gradients of a batch in this process's parameters; the mean loss of the batch."""
        raise NotImplementedError

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """The state of the whole model, by the names it had before `distribute`; all call, rank 0 is heard."""
        return model.state_dict()


class DistributedTraining(TrainingMethod):
    """A training on several devices, one process each."""

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        if hardware.devices * hardware.nodes < 2:
            return f"needs two devices or more; {hardware.name} has one: use single_device there"
        return None

    @abstractmethod
    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """Lightning's strategy, such as `ranks.data_parallel` makes."""

    def callbacks(self) -> list[Callback]:
        """What is to happen beside the steps."""
        return []

    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        """See `TrainingMethod`."""
        own = {"strategy": self.strategy(hardware), "callbacks": self.callbacks()}
        return {"devices": hardware.devices, "num_nodes": hardware.nodes, **own}
