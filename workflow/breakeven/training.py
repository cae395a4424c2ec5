"""Trains a model by Lightning: the task's recipe under a training method, on a clock of its own."""

from __future__ import annotations

import logging
import math
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from breakeven import memory, network, ranks
from breakeven.errors import CellFailure
from breakeven.files import read_json, write_json
from breakeven.hardware import HardwareProfile
from breakeven.method import Teaching, TrainingMethod
from breakeven.task import Task

VALIDATIONS = 4  # per training: how finely time_to_target is seen
REPORT, WEIGHTS = "fit.json", "weights.pt"  # what rank 0 leaves


@dataclass
class Fit:
    """What a training took."""

    steps: int = 0
    samples: int = 0
    world_size: int = 1
    train_time_s: float = 0.0  # validation and start-up are off this clock
    wall_s: float = 0.0  # with validation
    time_to_target_s: float = math.inf
    peak_memory_bytes: int = 0  # while training, summed over processes
    resident_bytes: int = 0  # held by the process that starts the training, its model made
    grown_bytes: int = 0  # from what a process held when it started to its peak, summed over processes
    rank_grown_bytes: int = 0  # the same, of the process that grew most
    communicated_bytes: int | None = None  # by all processes, on the training clock; None where it cannot be counted
    diverged_at_step: int | None = None


class Learner(pl.LightningModule):
    """A task's model with its loss, its metric and its recipe: AdamW with a one-cycle learning rate."""

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        method: TrainingMethod,
        learning_rate: float,
        folder: Path,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__()
        self.task = task
        self.model = model
        self.method = method
        self.automatic_optimization = not method.computes_gradients
        self.folder = folder  # where rank 0 leaves what it found, and any rank why it cannot go on
        self.learning_rate = learning_rate
        self.criterion = task.criterion()
        self.metric = task.metric()
        self.teaching = [teaching] if teaching else []  # in a list, so that it is no part of what is trained

    def configure_model(self) -> None:
        try:
            if self.method.splits_model and any(True for _ in getattr(self.criterion, "parameters", tuple)()):
                raise CellFailure("unsupported", "the loss has weights of its own, which would not be split: use ddp")
            self.model = self.method.distribute(self.model, self.task.example_inputs)
        except CellFailure as failure:
            ranks.leave_word(failure, self.folder)
            raise

    def training_step(self, batch: tuple[tuple[Tensor, ...], Tensor], index: int) -> Tensor:
        inputs, target = batch
        if self.method.computes_gradients:
            return self._step(inputs, target)
        outputs = self.model(*inputs)
        loss = self.criterion(outputs, target)
        for teaching in self.teaching:
            with torch.no_grad():
                taught = teaching.teacher(*inputs)
            apart = self.task.distillation_loss(outputs, taught, teaching.temperature)
            loss = (1 - teaching.weight) * loss + teaching.weight * apart
        return loss

    def _step(self, inputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        optimizer, schedule = cast(Any, self.optimizers()), cast(Any, self.lr_schedulers())
        optimizer.zero_grad()
        loss = self.method.gradients(self.model, inputs, target, self.criterion)
        optimizer.step()
        schedule.step()
        return loss.detach()

    def validation_step(self, batch: tuple[tuple[Tensor, ...], Tensor], index: int) -> None:
        inputs, target = batch
        self.metric.update(self.task.predict(self.model, *inputs), target)

    def configure_optimizers(self) -> Any:
        optimizer = self.method.optimizer(self.parameters(), self.learning_rate, self.task.recipe.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=max(2, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Clock(pl.Callback):
    """Counts training time only, notes when the target is reached, and stops a training that diverges.

    Args:
        counts_bytes: whether all that passes the loopback device is sent by the ranks.
    """

    def __init__(self, counts_bytes: bool) -> None:
        self.counts_bytes = counts_bytes
        self.fit = Fit(communicated_bytes=0 if counts_bytes else None)
        self.started: float | None = None
        self.sent = 0

    def setup(self, trainer: pl.Trainer, learner: Any, stage: str) -> None:
        # A process just forked holds what its parent does but for pages of libraries that it has not read yet.
        self.held = memory.resident_bytes()

    def on_train_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self.fit.world_size = trainer.world_size
        self.witness = [p for p in learner.parameters() if p.requires_grad][-1]
        memory.reset_peak()
        self.began = time.perf_counter()
        self._start()

    def on_train_batch_end(self, trainer: pl.Trainer, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        self.fit.samples += len(batch[1]) * ranks.share_of_a_batch(trainer)[0]
        if self.fit.diverged_at_step is None and not _finite(self.witness):
            self.fit.diverged_at_step = trainer.global_step
            # Several ranks must stop at the same step, and may not see it at the same: they agree when they validate.
            trainer.should_stop = trainer.world_size == 1

    def on_validation_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self._stop(trainer)
        learner.metric.reset()

    def on_validation_end(self, trainer: pl.Trainer, learner: Any) -> None:
        value, quality = learner.metric.compute().item(), learner.task.quality
        reached = value >= quality.target if quality.higher_is_better else value <= quality.target
        if reached:
            self.fit.time_to_target_s = min(self.fit.time_to_target_s, self.fit.train_time_s)
        trainer.should_stop = trainer.should_stop or self._diverged_anywhere(trainer)
        self._start()

    def on_train_end(self, trainer: pl.Trainer, learner: Any) -> None:
        self._stop(trainer)
        self.fit.wall_s = time.perf_counter() - self.began
        peak = memory.peak_bytes()
        self.fit.peak_memory_bytes = int(_over_ranks(trainer, peak, "sum"))
        self.fit.grown_bytes = int(_over_ranks(trainer, peak - self.held, "sum"))
        self.fit.rank_grown_bytes = int(_over_ranks(trainer, peak - self.held, "max"))
        self.fit.steps = trainer.global_step
        if self._diverged_anywhere(trainer) and self.fit.diverged_at_step is None:
            self.fit.diverged_at_step = trainer.global_step
        _leave(trainer, learner, self.fit)

    def _diverged_anywhere(self, trainer: pl.Trainer) -> bool:
        return bool(_over_ranks(trainer, self.fit.diverged_at_step is not None, "max"))

    def _start(self) -> None:
        self.sent = network.sent_bytes() if self.counts_bytes else 0
        self.started = time.perf_counter()

    def _stop(self, trainer: pl.Trainer) -> None:
        if self.started is None:
            return
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.fit.train_time_s += time.perf_counter() - self.started
        if self.fit.communicated_bytes is not None:
            self.fit.communicated_bytes += network.sent_bytes() - self.sent
        self.started = None


def _over_ranks(trainer: pl.Trainer, value: float, reduce_op: str) -> float:
    here = torch.tensor(float(value), device=trainer.strategy.root_device, dtype=torch.float64)
    return trainer.strategy.reduce(here, reduce_op=reduce_op).item()


def _finite(parameter: Tensor) -> bool:
    """Whether a weight is finite; of one that is split over ranks, this rank's part."""
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return bool(torch.isfinite(own).all())


def _leave(trainer: pl.Trainer, learner: Learner, fit: Fit) -> None:
    """Leave what a training found, and of a distributed one its weights, for the process that started it."""
    if trainer.world_size > 1:
        state = learner.method.whole_state(learner.model)
        if trainer.is_global_zero:
            torch.save(state, learner.folder / WEIGHTS)
        learner.model = nn.Identity()  # or Lightning would send it again
    if trainer.is_global_zero:
        write_json(asdict(fit), learner.folder / REPORT)


def start(seed: int, hardware: HardwareProfile) -> int:
    """Seed everything and set the threads before a model is made; the memory held after imports, in bytes."""
    quiet()
    memory.reset_peak()
    pl.seed_everything(seed, verbose=False)
    torch.set_num_threads(hardware.threads)
    return memory.resident_bytes()


def fit(
    task: Task,
    model: nn.Module,
    method: TrainingMethod,
    hardware: HardwareProfile,
    seed: int,
    epochs: float | None = None,
    learning_rate: float | None = None,
    validate: bool = True,
    teaching: Teaching | None = None,
) -> Fit:
    """Train `model` in place.

    Args:
        epochs: over the training set; the recipe's where None. A fraction of an epoch is fine.
        learning_rate: the peak of the cycle; the recipe's where None.
        validate: whether to look for the time to target on the validation set.
        teaching: a model to learn from beside the targets.

    Raises:
        CellFailure: the loss became infinite or not a number.
    """
    start(seed, hardware)
    data = task.datamodule(seed)
    data.prepare_data()
    data.setup("fit")
    batches = len(data.train_dataloader())
    steps = max(1, math.ceil((task.recipe.epochs if epochs is None else epochs) * batches))
    model.train()
    if teaching:
        teaching.teacher.to(hardware.accelerator).eval()
    on_loopback = hardware.accelerator == "cpu" and hardware.nodes == 1 and hardware.devices > 1
    own_network = network.own(hardware.network_mbit) if on_loopback else nullcontext(False)
    with tempfile.TemporaryDirectory() as name, own_network as counts_bytes:
        folder = Path(name)
        learner = Learner(task, model, method, learning_rate or task.recipe.learning_rate, folder, teaching)
        how = method.trainer_kwargs(hardware)
        trainer = pl.Trainer(
            accelerator=hardware.accelerator,
            max_epochs=-1,
            max_steps=steps,
            val_check_interval=max(1, steps // VALIDATIONS),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if validate else 0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **{**how, "callbacks": [*how.get("callbacks", []), Clock(counts_bytes)]},
        )
        resident = memory.resident_bytes()
        with ranks.watched(trainer, folder):
            trainer.fit(learner, datamodule=data)
        result = Fit(**read_json(folder / REPORT))
        result.resident_bytes = resident
        if (weights := folder / WEIGHTS).exists():
            model.load_state_dict(torch.load(weights, weights_only=True))
    model.to("cpu").eval()
    if result.diverged_at_step is not None:
        reason = f"the loss was not finite at step {result.diverged_at_step}: lower the recipe's learning_rate"
        raise CellFailure("diverged", reason)
    return result


@contextmanager
def zeros_held(model: nn.Module) -> Iterator[None]:
    """Weights that are zero now stay zero while the model trains: what was pruned stays pruned.

    A matrix that is zero altogether is a new one, to be trained.
    """
    hooks = []
    for parameter in model.parameters():
        kept = parameter.detach() != 0
        if parameter.requires_grad and parameter.dim() > 1 and kept.any() and not kept.all():
            # With no gradient ever, AdamW's moments and its decay leave a zero where it is.
            hooks.append(parameter.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def quiet() -> None:
    """Silence Lightning's hints about loaders and devices: the recipe and the profile decide those."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
