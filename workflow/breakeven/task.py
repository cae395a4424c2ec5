"""The contract of a task: data, model, loss, metric and recipe. Importing this module does not import torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from breakeven.errors import CellFailure

if TYPE_CHECKING:
    import numpy as np
    from pytorch_lightning import LightningDataModule
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data import Prepared, Source
    from breakeven.data.loaders import Batch, Transform

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Quality:
    """The meaning of a task's score: its metric, unit, direction and target."""

    metric: str  # the field's name for it, such as "top1_accuracy" or "word_error_rate"
    unit: str  # such as "ratio" (0 to 1) or "nats/token"
    higher_is_better: bool
    target: float  # in `unit`: the score at which the clock of time-to-target stops


@dataclass(frozen=True)
class Recipe:
    """The training of a task, the same for every method: AdamW with a one-cycle learning rate."""

    epochs: int  # passes over the training samples
    batch_size: int  # samples per optimiser step, over all processes together
    learning_rate: float  # the peak of the cycle
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Lengths:
    """The lengths of samples in a batch: each sample is padded at its end, to the longest sample of the batch."""

    unit: str  # such as "tokens" or "frames of 10 ms"
    dimensions: tuple[int | None, ...]  # for each input, the dimension that varies; None where its size is fixed
    multiple: int = 1  # a batch's length is rounded up to a multiple of it


@dataclass(frozen=True)
class TensorData:
    """The data of a `TensorTask`: how its arrays are made, and which of them are inputs and target.

    `build` names its arrays `<part>_<name>`, such as `train_images`. The parts are `train`, `val` and `test`. Each
    array holds one row per sample. `inputs` and `target` give the names without the part.
    """

    build: Callable[[], dict[str, np.ndarray]]  # makes the arrays of all parts; runs once per machine
    inputs: tuple[str, ...] = ()
    target: str = ""
    variant: str = ""  # of the arrays: the values of all parameters that change them
    transform: Transform | None = None  # makes the model's inputs of a batch's arrays, such as normalisation
    augment: Transform | None = None  # changes the inputs of training batches, after `transform`


class Task(ABC):
    """A trainable problem on real data.

    A subclass is a frozen pydantic dataclass. Its fields are the task's parameters. The docstring of its file states
    data, licence, split, model, metric, baseline and known limits.

    A task whose prepared data fits in memory subclasses `TensorTask` too, which implements `prepare`, `datamodule`
    and `example_inputs`.
    """

    version: ClassVar[int]  # raise it when new scores can no longer be compared with old ones
    title: ClassVar[str]  # the name for people, such as "Fashion-MNIST"
    domain: ClassVar[str]  # vision, nlp, speech, recommendation or medical
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]]
    licence: ClassVar[str]  # of the data
    archives: ClassVar[tuple[Source, ...]] = ()  # from package indexes: all that the task obtains
    lengths: ClassVar[Lengths | None] = None  # None where all samples have the same length

    @property
    def quality(self) -> Quality:
        """The meaning of the score. A class attribute, or a property where parameters change it."""
        raise AttributeError(f"{type(self).__name__} defines no `quality`")

    @property
    def recipe(self) -> Recipe:
        """The training. A class attribute, or a property where parameters change it."""
        raise AttributeError(f"{type(self).__name__} defines no `recipe`")

    def prepare(self) -> str:
        """Obtain the data and prepare it in the cache, once per machine.

        Returns:
            The sha256 of the prepared data.

        Raises:
            UserError: the data cannot be obtained; the message says what a user can do.
        """
        return self._prepared().sha256

    def _prepared(self) -> Prepared:
        """The prepared tensors in the cache, which `prepare` makes.

        Raises:
            UserError: the data cannot be obtained; the message says what a user can do.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither `prepare` nor `_prepared`")

    @abstractmethod
    def datamodule(self, seed: int) -> LightningDataModule:
        """Make the loaders of training, validation and test batches `((input, …), target)`; prepare the data first.

        The test loader gives the whole test set in a fixed order. Each process loads its share of a global batch.

        Args:
            seed: of the order of the training samples.

        Raises:
            UserError: the data cannot be obtained, or the batch size cannot be shared by the processes.
        """

    @abstractmethod
    def model(self) -> nn.Module:
        """Make a new float32 model, called as `model(*inputs)`. Parameters may ask for pretrained weights.

        Raises:
            UserError: a parameter names an unknown network, or the pretrained weights cannot be obtained.
        """

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch: a scalar, the mean over the samples."""

    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The function that training minimises, called as `loss` is.

        It may be a module. Its own weights, such as a discriminator's, are trained with the model and then dropped.
        """
        return self.loss

    @abstractmethod
    def metric(self) -> Metric:
        """Make a new torchmetrics metric of the quality, updated as `metric.update(outputs, target)`.

        `outputs` are those of `predict`. The states are sums over samples, or lists, since the interval resamples them.
        """

    def other_metrics(self) -> dict[str, Metric]:
        """Make further metrics that the field reports, by name. They are shown beside the quality and never ranked."""
        return {}

    def predict(self, model: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """The answer that a user receives for a batch of inputs. This call is timed, and the metric scores its result.

        The default calls the model once. A task that needs several calls, such as a translation, overrides this.
        """
        return model(*inputs)

    def length_of(self, *inputs: Tensor) -> Tensor:
        """The length of each sample, int64 [batch]; or [batch, inputs] where the inputs of a sample differ in length.

        A task with `lengths` defines it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines `lengths` and no `length_of`")

    def trimmed(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Cut the inputs of a batch to its longest sample, rounded up to `lengths.multiple`.

        Without `lengths`, the inputs stay as they are.
        """
        if self.lengths is None:
            return inputs
        longest = self.length_of(*inputs).reshape(len(inputs[0]), -1).amax(0).expand(len(inputs)).tolist()
        multiple = self.lengths.multiple
        return tuple(
            x if d is None else x.narrow(d, 0, min(-(-length // multiple) * multiple, x.shape[d])).contiguous()
            for x, d, length in zip(inputs, self.lengths.dimensions, longest, strict=True)
        )

    def student(self, width: float) -> nn.Module:
        """Make a new model that is called in the same way, with layers about `width` times as wide (0 < `width` ≤ 1).

        The new model is not trained on the task.

        Raises:
            CellFailure: `unsupported`, with the reason.
        """
        raise CellFailure("unsupported", f"{self.title} has no narrower network: leave distillation out here")

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """The distance of a student's outputs from its teacher's: a scalar, the mean over the batch.

        The default is for logits [batch, classes, …]: the cross entropy [nats] between the softened classes
        (arXiv:1503.02531) less the teacher's own entropy. It is multiplied by the squared temperature, which keeps the
        size of the gradients. Tasks with other outputs override it.
        """
        from torch.nn.functional import kl_div, log_softmax

        student, teacher = (log_softmax(x / temperature, dim=1) for x in (outputs, taught))
        return temperature**2 * kl_div(student, teacher, log_target=True, reduction="none").sum(1).mean()

    @abstractmethod
    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """The model's inputs for the first `batch_size` test samples, for tracing and shape checks.

        Samples of varying length keep their full padding.

        Raises:
            UserError: the data cannot be obtained.
        """


class TensorTask(Task):
    """A task whose prepared data fits in memory: `data` describes it, and this class caches and loads it.

    The cache's key is the name of the task's module, `version` and the variant. New `archives` or a new text of the
    file that defines `build` make the data again. Use it as the first base:
    `class MyTask(TensorTask, Classification)`.
    """

    @abstractmethod
    def data(self) -> TensorData:
        """How the arrays are made, and which of them are inputs and target.

        Import `build` and the transforms inside this method, so that listing tasks imports no torch.
        """

    def datamodule(self, seed: int) -> LightningDataModule:
        """Make a `TensorDataModule`: see `Task.datamodule`. Batches with `lengths` are trimmed before `transform`."""
        from breakeven.data.loaders import TensorDataModule

        data, arrays = self.data(), self._prepared().load()

        def transform(*inputs: Tensor) -> tuple[Tensor, ...]:
            inputs = self.trimmed(*inputs)
            return data.transform(*inputs) if data.transform else inputs

        train, val, test = (self.samples(arrays, part) for part in PARTS)
        size = self.recipe.batch_size
        return TensorDataModule(train, val, test, batch_size=size, seed=seed, transform=transform, augment=data.augment)

    def samples(self, arrays: dict[str, Tensor], part: Part) -> Batch:
        """The inputs and the target of all samples of a part, samples first.

        In place of a tensor, an override may give an object with a length that reads the samples it is asked for, by
        a slice or by a list of indices.
        """
        data = self.data()
        return tuple(arrays[f"{part}_{name}"] for name in data.inputs), arrays[f"{part}_{data.target}"]

    def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
        """The inputs of the first test samples: see `Task.example_inputs`. They are not trimmed."""
        inputs, _ = self.samples(self._prepared().load(), "test")
        first, transform = tuple(x[:batch_size] for x in inputs), self.data().transform
        return transform(*first) if transform else first

    def _prepared(self) -> Prepared:
        """The arrays of `data`, as tensors in the cache."""
        from breakeven.data import prepared

        data = self.data()
        return prepared(self._key(data.variant), data.build, self.archives)

    def _key(self, variant: str = "") -> str:
        """The key of prepared data in the cache, such as `movie_sentiment-v1-minilm`."""
        name = type(self).__module__.rpartition(".")[2]
        return "-".join(filter(None, (name, f"v{self.version}", variant)))


class Classification(Task):
    """A task with one class for each sample: logits [batch, classes], target int64 [batch]."""

    label_smoothing: ClassVar[float] = 0.0  # of the labels in the loss

    @property
    def classes(self) -> int:
        """The number of classes. A class attribute, or a property where parameters change it."""
        raise AttributeError(f"{type(self).__name__} defines no `classes`")

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross entropy [nats] with smoothed labels: a scalar, the mean over the batch."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, target, label_smoothing=self.label_smoothing)

    def metric(self) -> Metric:
        """Top-1 accuracy (0 to 1)."""
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(num_classes=self.classes, average="micro")


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Say where a class that has moved is now. An alias would import upwards."""
        if name == "ImageClassification":
            place = "breakeven.components.image_classification"
            raise ImportError(f"{__name__}.{name} is now {place}.{name}: correct the import")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
