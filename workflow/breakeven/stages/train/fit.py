"""Trains a model with Lightning: the task's recipe, under a training method, timed by a separate clock."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from breakeven.components import training_ranks
from breakeven.errors import CellFailure
from breakeven.files import read_json
from breakeven.hardware import HardwareProfile
from breakeven.machine import link, memory
from breakeven.machine.place import place, spread
from breakeven.method import Teaching, TrainingMethod
from breakeven.protocol import VALIDATIONS
from breakeven.stages.train.checkpoint import Checkpoint
from breakeven.stages.train.clock import REPORT, WEIGHTS, Clock, Fit
from breakeven.task import Task


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
        self.folder = folder  # rank 0 writes its report here; any rank writes the reason why it cannot continue
        self.learning_rate = learning_rate
        self.criterion = task.criterion()
        self.metric = task.metric()
        self.teaching = [teaching] if teaching else []  # a list, so that the teacher is not trained

    def setup(self, stage: str) -> None:
        # A forked process creates its thread pool anew. It must do so now: two threads that do it at once crash.
        torch.set_num_threads(torch.get_num_threads())

    def configure_model(self) -> None:
        try:
            if self.method.splits_model and any(True for _ in getattr(self.criterion, "parameters", tuple)()):
                raise CellFailure("unsupported", "the loss has weights of its own, which would not be split: use ddp")
            self.model = self.method.distribute(self.model, self.task.example_inputs)
        except CellFailure as failure:
            training_ranks.leave_word(failure, self.folder)
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


def start(seed: int, hardware: HardwareProfile) -> int:
    """Seed everything and set the threads, before a model is made. Return the bytes of memory held after imports."""
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
    checkpoint: Checkpoint | None = None,
) -> tuple[Fit, nn.Module]:
    """Train a model; return the figures of the training and the trained model.

    The model is trained in place. Only if the method split it over several nodes is the returned model a new one.

    Args:
        epochs: over the training set; None for the recipe's number. It may be a fraction.
        learning_rate: the peak of the cycle; None for the recipe's rate.
        validate: True to measure the time to target on the validation set.
        teaching: a teacher model, used beside the targets.
        checkpoint: resumed from if present, and saved at validations, if both method and task can resume.

    Raises:
        CellFailure: the loss became infinite or not a number.
    """
    start(seed, hardware)
    data = task.datamodule(seed)
    data.prepare_data()
    data.setup("fit")
    loader = data.train_dataloader()
    batches = len(loader)
    if not (method.resumes and hardware.nodes == 1 and hasattr(loader, "load_state_dict")):
        checkpoint = None
    steps = max(1, math.ceil((task.recipe.epochs if epochs is None else epochs) * batches))
    model.train()
    if teaching:
        teaching.teacher.to(hardware.accelerator).eval()
    on_loopback = hardware.accelerator == "cpu" and hardware.nodes == 1 and hardware.devices > 1
    own_network = link.own(hardware.network_mbit) if on_loopback else nullcontext(False)
    with tempfile.TemporaryDirectory() as name, own_network as counts_bytes:
        folder = Path(name)
        learner = Learner(task, model, method, learning_rate or task.recipe.learning_rate, folder, teaching)
        how = method.trainer_kwargs(hardware)
        clock = Clock(counts_bytes, hardware, checkpoint)
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
            **{**how, "callbacks": [*how.get("callbacks", []), clock]},
        )
        resident = memory.resident_bytes()
        with training_ranks.watched(trainer, folder):
            left = checkpoint.find() if checkpoint else None
            trainer.fit(learner, datamodule=data, ckpt_path=left, weights_only=True)
        assists = spread(hardware) and place().rank > 0  # only rank 0 has the report and the weights, on its node
        result = clock.fit if assists else Fit(**read_json(folder / REPORT))
        result.resident_bytes = resident
        if (weights := folder / WEIGHTS).exists():
            if spread(hardware) and method.splits_model:  # this process holds only its own part of the model
                model = task.model()
            model.load_state_dict(torch.load(weights, weights_only=True))
    if not assists:
        model.to("cpu").eval()
    if result.diverged_at_step is not None:
        reason = f"the loss was not finite at step {result.diverged_at_step}: lower the recipe's learning_rate"
        raise CellFailure("diverged", reason)
    return result, model


@contextmanager
def zeros_held(model: nn.Module) -> Iterator[None]:
    """Keep zero weights at zero while the model trains, so that pruned weights stay pruned.

    A matrix of zeros only is new, and is trained.
    """
    hooks = []
    for parameter in model.parameters():
        kept = parameter.detach() != 0
        if parameter.requires_grad and parameter.dim() > 1 and kept.any() and not kept.all():
            # Without any gradient, AdamW's moments and its decay leave a zero at zero.
            hooks.append(parameter.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def quiet() -> None:
    """Silence Lightning's hints about loaders and devices, because the recipe and the profile decide those."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
