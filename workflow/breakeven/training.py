"""Trains a model by Lightning: the task's recipe under a training method, on a clock of its own."""

from __future__ import annotations

import logging
import math
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.multiprocessing import ProcessExitedException

from breakeven import memory
from breakeven.errors import CellFailure, death
from breakeven.files import read_json, write_json
from breakeven.hardware import HardwareProfile
from breakeven.method import Teaching, TrainingMethod
from breakeven.task import Task

VALIDATIONS = 4  # per training: how finely time_to_target is seen


@dataclass
class Fit:
    """What a training took."""

    steps: int = 0
    samples: int = 0
    world_size: int = 1
    train_time_s: float = 0.0  # validation and start-up are off this clock
    wall_s: float = 0.0  # with validation
    time_to_target_s: float = math.inf
    peak_memory_bytes: int = 0  # summed over processes
    diverged_at_step: int | None = None


class Learner(pl.LightningModule):
    """A task's model with its loss, its metric and its recipe: AdamW with a one-cycle learning rate."""

    def __init__(self, task: Task, model: nn.Module, learning_rate: float, teaching: Teaching | None = None) -> None:
        super().__init__()
        self.task = task
        self.model = model
        self.learning_rate = learning_rate
        self.criterion = task.criterion()
        self.metric = task.metric()
        self.teaching = [teaching] if teaching else []  # in a list, so that it is no part of what is trained

    def training_step(self, batch: tuple[tuple[Tensor, ...], Tensor], index: int) -> Tensor:
        inputs, target = batch
        outputs = self.model(*inputs)
        loss = self.criterion(outputs, target)
        for teaching in self.teaching:
            with torch.no_grad():
                taught = teaching.teacher(*inputs)
            apart = self.task.distillation_loss(outputs, taught, teaching.temperature)
            loss = (1 - teaching.weight) * loss + teaching.weight * apart
        return loss

    def validation_step(self, batch: tuple[tuple[Tensor, ...], Tensor], index: int) -> None:
        inputs, target = batch
        self.metric.update(self.task.predict(self.model, *inputs), target)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.task.recipe.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=max(2, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Clock(pl.Callback):
    """Counts training time only, notes when the target is reached, and stops a training that diverges.

    Rank 0 leaves its findings in a file: under DDP this object lives in another process. `learner` is a `Learner`.
    """

    def __init__(self, report: Path) -> None:
        self.report = report
        self.fit = Fit()
        self.started = 0.0

    def on_train_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self.fit.world_size = trainer.world_size
        self.witness = [p for p in learner.parameters() if p.requires_grad][-1]
        self.began = self.started = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        self.fit.samples += len(batch[1]) * trainer.world_size
        # A weight, not the loss: gradients are averaged, so all ranks see it at the same step and stop together.
        if not torch.isfinite(self.witness).all():
            self.fit.diverged_at_step = trainer.global_step
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self._stop(trainer)
        learner.metric.reset()

    def on_validation_end(self, trainer: pl.Trainer, learner: Any) -> None:
        value, quality = learner.metric.compute().item(), learner.task.quality
        reached = value >= quality.target if quality.higher_is_better else value <= quality.target
        if reached:
            self.fit.time_to_target_s = min(self.fit.time_to_target_s, self.fit.train_time_s)
        self.started = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, learner: Any) -> None:
        self._stop(trainer)
        self.fit.wall_s = time.perf_counter() - self.began
        peak = torch.tensor(float(memory.peak_bytes()), device=learner.device, dtype=torch.float64)
        self.fit.peak_memory_bytes = int(trainer.strategy.reduce(peak, reduce_op="sum"))
        self.fit.steps = trainer.global_step
        if trainer.is_global_zero:
            write_json(asdict(self.fit), self.report)

    def _stop(self, trainer: pl.Trainer) -> None:
        if not self.started:
            return
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.fit.train_time_s += time.perf_counter() - self.started
        self.started = 0.0


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
    learner = Learner(task, model, learning_rate or task.recipe.learning_rate, teaching)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "fit.json"
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
            callbacks=[Clock(report)],
            **method.trainer_kwargs(hardware),
        )
        with _ranks_watched():
            trainer.fit(learner, datamodule=data)
        result = Fit(**read_json(report))
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


@contextmanager
def _ranks_watched() -> Iterator[None]:
    """Say what the death of a process that trained along means."""
    oom_kills = memory.oom_kills()
    try:
        yield
    except ProcessExitedException as error:
        raise death("a training process", error.exit_code, memory.oom_kills() - oom_kills) from error


def quiet() -> None:
    """Silence Lightning's hints about loaders and devices: the recipe and the profile decide those."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
