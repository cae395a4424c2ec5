"""The contract of a task: data, model, loss and the metric that says how good the model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from breakeven.errors import CellFailure

if TYPE_CHECKING:
    from pytorch_lightning import LightningDataModule
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared


@dataclass(frozen=True)
class Quality:
    """What a task's score means."""

    metric: str  # the field's name for it: "top1_accuracy", "word_error_rate"
    unit: str  # "ratio" in 0..1, "nats/token"
    higher_is_better: bool
    target: float  # time-to-target stops its clock here


@dataclass(frozen=True)
class Recipe:
    """How a task is trained, the same for every method: AdamW with a one-cycle learning rate."""

    epochs: int
    batch_size: int  # global: samples per optimiser step over all processes
    learning_rate: float  # the peak of the cycle
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Lengths:
    """How samples of varying length lie in a batch: padded at their end, up to the longest of the batch."""

    unit: str  # "tokens", "frames of 10 ms"
    dimensions: tuple[int | None, ...]  # of each input, the one that is as long as the longest sample; None: fixed
    multiple: int = 1  # batches are as long as the next multiple of it


class Task(ABC):
    """A trainable problem on real data. Subclasses are frozen pydantic dataclasses: their fields are parameters.

    The file's docstring states data, licence, split, model, metric, baseline and known limits.
    """

    version: ClassVar[int]  # bump when scores stop being comparable
    title: ClassVar[str]  # for people: "Fashion-MNIST"
    domain: ClassVar[str]  # vision, nlp, speech, recommendation, medical
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]]
    licence: ClassVar[str]  # of the data
    quality: ClassVar[Quality]
    recipe: ClassVar[Recipe]  # a task whose parameters change it may define a property instead
    lengths: ClassVar[Lengths | None] = None  # where samples differ in length

    def prepare(self) -> str:
        """Obtain and prepare the data in the cache, once per machine; return the sha256 of what was prepared.

        Raises:
            UserError: no source could be had; the message names what a user can do.
        """
        return self._prepared().sha256

    def _prepared(self) -> Prepared:
        """The data as tensors in the cache, where that is what `prepare` makes."""
        raise NotImplementedError(
            f"{type(self).__name__} says neither how to `prepare` its data nor what is `_prepared`"
        )

    @abstractmethod
    def datamodule(self, seed: int) -> LightningDataModule:
        """Train, validation and test loaders of batches `((x, …), target)`, the global batch split by the trainer.

        The test loader runs through the whole test set in a fixed order. Prepares the data if need be.
        """

    @abstractmethod
    def model(self) -> nn.Module:
        """A new float32 model, called as `model(*inputs)`; pretrained where the parameters say so."""

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """A scalar, the mean over the batch."""

    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What training minimises, called as `loss` is. A module's own weights, such as a discriminator's, are trained
        along and left behind."""
        return self.loss

    @abstractmethod
    def metric(self) -> Metric:
        """A fresh torchmetrics metric, updated as `metric.update(outputs, target)`."""

    def other_metrics(self) -> dict[str, Metric]:
        """What else the field reports, by its name for it: shown beside the quality, never ranked."""
        return {}

    def predict(self, model: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """What a user would have of these inputs: the call that is timed, and what the metric gets.

        One call of the model; a task that has to call it again and again, such as a translation, overrides this.
        """
        return model(*inputs)

    def length_of(self, *inputs: Tensor) -> Tensor:
        """The length of each sample, int64 [batch]; or of each input of it [batch, inputs] where those differ."""
        raise NotImplementedError

    def student(self, width: float) -> nn.Module:
        """A new model of the same kind and call, its layers about `width` times as wide; not trained on the task.

        Raises:
            CellFailure: `unsupported`, with the reason.
        """
        raise CellFailure("unsupported", f"{self.title} has no narrower network: leave distillation out here")

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """How far a student's outputs are from its teacher's: a scalar, the mean over the batch.

        For logits [batch, classes, …]: the cross entropy between the softened classes (arXiv:1503.02531), less the
        teacher's own entropy, times the temperature squared so that gradients keep their size. Other tasks override.
        """
        from torch.nn.functional import kl_div, log_softmax

        student, teacher = (log_softmax(x / temperature, dim=1) for x in (outputs, taught))
        return temperature**2 * kl_div(student, teacher, log_target=True, reduction="none").sum(1).mean()

    @abstractmethod
    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """The first `batch_size` test inputs: real samples, for tracing and shape checks."""


class Classification(Task):
    """A task of one class for each sample: logits [batch, classes], target int64 [batch]."""

    classes: ClassVar[int]
    label_smoothing: ClassVar[float] = 0.0  # of the labels that training is against

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats], against smoothed labels."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, target, label_smoothing=self.label_smoothing)

    def metric(self) -> Metric:
        """Top-1 accuracy."""
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(num_classes=self.classes, average="micro")


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Say where a class that has moved is now. An alias would import upwards."""
        if name == "ImageClassification":
            place = "breakeven.components.image_classification"
            raise ImportError(f"{__name__}.{name} is now {place}.{name}: correct the import")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
