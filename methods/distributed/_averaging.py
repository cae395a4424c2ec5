"""Parts of trainings whose processes step alone and average their models from time to time (at meetings)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import PostLocalSGDState, post_localSGD_hook
from torch.distributed.algorithms.model_averaging.utils import average_parameters

from breakeven.components import training_ranks

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile


def separate(hardware: HardwareProfile, together: int) -> DDPStrategy:
    """Make the strategy: gradients are averaged in the first `together` steps; then each process steps by its own."""
    state = PostLocalSGDState(None, None, start_localSGD_iter=together, post_local_gradient_allreduce=False)
    # Buffers are not sent at every step either: the meetings average them.
    return training_ranks.data_parallel(hardware, hook_state=state, hook=post_localSGD_hook, broadcast_buffers=False)


class Meetings(pl.Callback):
    """Averages the processes' models every `every` steps, before each validation, and at the end."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.met_at = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: object, batch: object, index: int
    ) -> None:
        """Meet after every `every` steps."""
        if trainer.global_step % self.every == 0:
            self._once(trainer, learner)

    def on_validation_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        """Meet, so that all processes validate the same model."""
        self._once(trainer, learner)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        """Meet, so that all processes end with the same model."""
        self._once(trainer, learner)

    def _once(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self.met_at != trainer.global_step:
            self.met_at = trainer.global_step
            with torch.no_grad():
                self.meet(cast(nn.Module, learner.model))

    def meet(self, model: nn.Module) -> None:
        """Leave the same model in all processes: here the mean of their models."""
        every_process = cast(ProcessGroup, None)  # torch types the argument without its default
        average_parameters(_tensors(model), every_process)


def _tensors(model: nn.Module) -> Iterator[nn.Parameter]:
    """Return parameters, and batch normalisation's statistics, which are averaged like parameters."""
    kept: Iterator[Tensor] = (buffer for buffer in model.buffers() if buffer.is_floating_point())
    return cast(Iterator[nn.Parameter], chain(model.parameters(), kept))
