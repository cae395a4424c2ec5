"""Contracts of the three kinds of methods: compressions of a model, runtimes that serve it, ways of training it.

A method is a frozen pydantic dataclass. Its fields are its hyperparameters: typed, range-checked and described.
Importing this module imports no torch, so that grids are planned without it.
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


# The kinds of changes a compression makes. A chain's steps follow this order: an earlier kind destroys a later one.
Change = Literal["network", "layers", "zeros", "values", "precision"]
ORDER: tuple[Change, ...] = get_args(Change)
WHAT: dict[Change, str] = {  # each kind in words
    "network": "the network",
    "layers": "the shapes of its layers",
    "zeros": "which weights are zero",
    "values": "the values of its weights",
    "precision": "its precision",
}
Batch = tuple[tuple["Tensor", ...], "Tensor"]  # inputs and target; the samples lie along dimension 0 of each
Loss = Callable[["Tensor", "Tensor"], "Tensor"]  # from outputs and target to a scalar: the mean over the batch


@dataclass(frozen=True)
class Teaching:
    """Knowledge distillation: a model learns from a teacher's outputs too (Hinton et al. 2015, arXiv:1503.02531)."""

    teacher: nn.Module  # called as the trained model is; never trained itself
    weight: float = 0.5  # share of the teacher's part in the loss, 0..1; the rest is the task's own loss
    temperature: float = 2.0  # divides the logits; above 1, the teacher's smaller outputs count for more


class FineTune(Protocol):
    """Function that trains a model in place on the training set. Weights that are zero stay zero."""

    def __call__(self, model: nn.Module, epochs: float, *, rate: float = 0.3, teaching: Teaching | None = None) -> None:
        """Train a model by the task's recipe, in place.

        Args:
            model: called as the task's model is.
            epochs: passes over the training set; a fraction is allowed.
            rate: peak learning rate, as a multiple of the recipe's.
            teaching: a teacher to learn from beside the targets.

        Raises:
            CellFailure: `diverged`, where the loss became infinite or not a number.
        """


@dataclass(frozen=True)
class CompressionContext:
    """Everything that a compression may use beside the model.

    A compression sees no test data, except the task's `example_inputs`, which it may use for shapes only.
    """

    task: Task
    seed: int
    fine_tune: FineTune
    training_samples: Callable[[int], Iterator[Batch]]  # yields that many training samples, in batches on the CPU
    validate: Callable[[Callable[..., Tensor]], float]  # scores a model on the validation set, in the task's quality


class Method(ABC):
    """Base class of all methods."""

    reference: ClassVar[str]  # the paper or document that the method follows: an arXiv id or an address

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """Return the reason why this method cannot serve this pair, or None where it can.

        The reason says what is wrong and what to do. It is asked for before any work, so it must not import torch.
        """
        return None


class CompressionMethod(Method):
    """A method that makes a model cheaper.

    It compresses a module (`compress`) or, where `on_file` is true, a runtime's file (`compress_file`). A subclass
    defines at least one of the two; making an instance of a class without either raises a TypeError.
    """

    changes: ClassVar[Change] = "values"

    def __new__(cls, *_: object, **__: object) -> Self:
        if cls.compress is CompressionMethod.compress and cls.compress_file is CompressionMethod.compress_file:
            raise TypeError("it has neither `compress` nor `compress_file`")
        return super().__new__(cls)

    @property
    def runtime(self) -> str | None:
        """Name of the only runtime that serves the result; None where any runtime that takes a module does."""
        return None

    @property
    def on_file(self) -> bool:
        """True where the method works on the file that its runtime exported, by that runtime's own tools."""
        return False

    @property
    def precision(self) -> str | None:
        """Precision that weights are stored in from here on, such as int8; None where it stays as it was."""
        return None

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        """Return a new module with the same call and output shape, in eval mode; leave `model` untouched.

        Args:
            model: the module to compress, in eval mode on the CPU.
            context: data, fine-tuning and validation.

        Raises:
            CellFailure: an expected failure, such as a model without any layer that the method applies to.
        """
        raise NotImplementedError

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        """Write the compressed form of the file `source` to `target`; leave `source` untouched.

        Raises:
            CellFailure: an expected failure, as in `compress`.
        """
        raise NotImplementedError


class Runtime(Method):
    """A method that serves a model from a file."""

    suffix: ClassVar[str]  # of the exported file, such as ".onnx"
    least_devices: ClassVar[int] = 1  # the fewest devices that it serves on
    package: ClassVar[str] = "torch"  # the package whose version a row records as the runtime's
    precision: ClassVar[str | None] = None  # precision that it computes in, where that differs from the file's

    @abstractmethod
    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write `model` to `path`, for any batch size.

        Args:
            model: in eval mode, on the CPU.
            example_inputs: the model's inputs for a few samples. Where their length varies, these are `Examples` of
                `breakeven.components.exporting`, and the file must serve any length.
            path: the file to write; it ends with `suffix`.

        Raises:
            CellFailure: the runtime refuses the model, or the file gives other outputs than the model.
        """

    @abstractmethod
    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """Return a callable with the model's signature that serves the file.

        The callable takes the model's inputs and returns float32 outputs, all on the profile's accelerator. It runs in
        this process, with exactly `hardware.threads` threads on a CPU. With several devices, each has its own process
        with that many threads.

        Raises:
            CellFailure: an expected failure, such as a package that is missing.
        """


class DistributedRuntime(Runtime):
    """A runtime that calls a module in several processes of one machine, one process per device."""

    data_partition: ClassVar[str]  # how the samples of a batch are split over the processes, in words
    model_partition: ClassVar[str]  # how the parameters are split over the processes, in words
    least_devices: ClassVar[int] = 2

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        if hardware.devices < self.least_devices:
            return f"needs two devices or more; {hardware.name} has one: use eager there"
        if hardware.accelerator != "cpu" or hardware.network_mbit is not None:
            needed = "needs processes that share a CPU's memory"
            return f"{needed}, which {hardware.name} has not: use a CPU profile of several devices without a link"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Save the whole module: see `Runtime`. The number of processes is not known before `load`."""
        import torch

        torch.save(model, path)


class TrainingMethod(Method):
    """A way of training: an engineering choice or a distribution. Its hooks run in every process of the training."""

    data_partition: ClassVar[str]  # how the samples of a global batch are split over the processes, in words
    model_partition: ClassVar[str]  # how parameters, gradients and optimiser states are split, in words
    splits_model: ClassVar[bool] = False  # true where a process may hold a part of the model only

    @abstractmethod
    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        """Return keyword arguments of Lightning's `Trainer`: strategy, devices, num_nodes, precision, callbacks."""

    def distribute(self, model: nn.Module, example_inputs: Callable[[int], tuple[Tensor, ...]]) -> nn.Module:
        """Return the model as this process trains it; by default the whole model.

        It is called in every process, after the process group was made.

        Args:
            model: the whole model, with the same weights in every process.
            example_inputs: makes the inputs for a number of samples, for shapes: see `Task.example_inputs`.

        Raises:
            CellFailure: `unsupported`, where the network has no part that can be distributed in this way.
        """
        return model

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> Optimizer:
        """Return the optimiser of this process's parameters: AdamW, as the recipe says."""
        from torch.optim import AdamW

        return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)

    @property
    def resumes(self) -> bool:
        """True where a training resumes exactly from model, optimiser and schedule; else a kill restarts it."""
        return False

    @property
    def computes_gradients(self) -> bool:
        """True where `gradients` replaces the usual forward and backward pass."""
        return type(self).gradients is not TrainingMethod.gradients

    def gradients(self, model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor, loss: Loss) -> Tensor:
        """Leave a batch's gradients in this process's parameters; return the mean loss of the batch, a scalar.

        Args:
            model: as `distribute` returned it.
            inputs: the whole batch, samples first.
            target: the whole batch's target, samples first.
            loss: the mean over the samples that it is given.
        """
        raise NotImplementedError

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the state of the whole model, by the names it had before `distribute`.

        Every process calls it; only the result of rank 0 is used.
        """
        return model.state_dict()


class DistributedTraining(TrainingMethod):
    """A training on several devices, one process per device."""

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """See `Method`."""
        if hardware.devices * hardware.nodes < 2:
            return f"needs two devices or more; {hardware.name} has one: use single_device there"
        return None

    @abstractmethod
    def strategy(self, hardware: HardwareProfile) -> Strategy:
        """Return Lightning's strategy, such as `breakeven.components.training_ranks.data_parallel` makes.

        Raises:
            CellFailure: `unsupported`, such as for a package that is missing.
        """

    def callbacks(self) -> list[Callback]:
        """Return Lightning's callbacks that run beside the steps; none by default."""
        return []

    def trainer_kwargs(self, hardware: HardwareProfile) -> dict[str, Any]:
        """See `TrainingMethod`."""
        own = {"strategy": self.strategy(hardware), "callbacks": self.callbacks()}
        return {"devices": hardware.devices, "num_nodes": hardware.nodes, **own}
