"""Callback that records time, memory, bytes and energy of a training in each of its processes."""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

from breakeven.data.loaders import share_of_a_batch
from breakeven.files import write_json
from breakeven.hardware import HardwareProfile
from breakeven.machine import link, memory
from breakeven.machine.energy import Meter
from breakeven.machine.load import ForeignLoad
from breakeven.stages.train.checkpoint import Checkpoint, random_state, set_random_state

REPORT, WEIGHTS = "fit.json", "weights.pt"  # files that rank 0 writes


@dataclass
class Fit:
    """The measured figures of a training."""

    steps: int = 0
    samples: int = 0
    world_size: int = 1
    train_time_s: float = 0.0  # without validation and start-up
    wall_s: float = 0.0  # including validation
    time_to_target_s: float = math.inf
    peak_memory_bytes: int = 0  # while training, sum over processes
    resident_bytes: int = 0  # memory of the process that starts the training, after the model was made
    grown_bytes: int = 0  # growth of a process from its start to its peak, sum over processes
    rank_grown_bytes: int = 0  # the same growth, of the process that grew most
    communicated_bytes: int | None = None  # sent by all processes during train_time_s; None if not countable
    diverged_at_step: int | None = None
    earlier_energy_j: float = 0.0  # energy of the earlier parts, including validation; 0 without a counter or estimate
    earlier_load_percent: float = 0.0  # foreign load of the earlier part with the highest load
    parts: int = 1  # parts from checkpoint to checkpoint; no figure here includes work lost between them


class Clock(pl.Callback):
    """Counts training time only, notes when the target is reached, and stops a training that diverges.

    Each hook's `learner` is a `fit.Learner`.

    Args:
        counts_bytes: True if the ranks alone send bytes through the loopback device, so that its counter is theirs.
        hardware: the profile whose energy a checkpoint records.
        checkpoint: saves the state at each validation except the last; None to save nothing.
    """

    def __init__(self, counts_bytes: bool, hardware: HardwareProfile, checkpoint: Checkpoint | None = None) -> None:
        self.counts_bytes, self.hardware, self.checkpoint = counts_bytes, hardware, checkpoint
        self.fit = Fit(communicated_bytes=0 if counts_bytes else None)
        self.earlier: dict[str, Any] = {}  # this process's own figures from the earlier parts
        self.started: float | None = None
        self.sent = 0

    def state_dict(self) -> dict[str, Any]:
        """Return a checkpoint's content: the figures so far, and the figures and random state of each process."""
        fit = replace(self.fit, wall_s=self._wall_s())
        fit.earlier_energy_j += self.meter.used(self.read) or 0.0
        fit.earlier_load_percent = max(fit.earlier_load_percent, self.load.so_far())
        return {"fit": asdict(fit), "processes": _of_all_ranks({**self._own(), "random": random_state()})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a checkpoint."""
        self.fit = replace(Fit(**state_dict["fit"]), parts=state_dict["fit"]["parts"] + 1)
        self.earlier = state_dict["processes"][_rank()]

    def setup(self, trainer: pl.Trainer, learner: Any, stage: str) -> None:
        # A new fork holds its parent's memory, except pages of libraries that it has not read yet.
        self.held = memory.resident_bytes()

    def on_train_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self.fit.world_size = trainer.world_size
        self.witness = [p for p in learner.parameters() if p.requires_grad][-1]
        if self.earlier:
            set_random_state(self.earlier["random"])
        if self.checkpoint:
            self.meter = Meter(self.hardware)
            self.read = self.meter.read()
            others = psutil.Process(os.getppid()).children() if trainer.world_size > 1 else []
            self.load = ForeignLoad([other.pid for other in others if other.pid != os.getpid()]).begin()
        memory.reset_peak()
        self.began, self.earlier_wall_s = time.perf_counter(), self.fit.wall_s
        self._start()

    def on_train_batch_end(self, trainer: pl.Trainer, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        self.fit.samples += len(batch[1]) * share_of_a_batch(trainer)[0]
        if self.fit.diverged_at_step is None and not _finite(self.witness):
            self.fit.diverged_at_step = trainer.global_step
            # All ranks must stop at the same step, but may see the divergence at different ones: they agree at a
            # validation.
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
        if self.checkpoint and not trainer.should_stop and trainer.global_step < trainer.max_steps:
            self.checkpoint.save(trainer)
        self._start()

    def on_train_end(self, trainer: pl.Trainer, learner: Any) -> None:
        self._stop(trainer)
        own, self.fit.wall_s = self._own(), self._wall_s()
        self.fit.peak_memory_bytes = int(_over_ranks(trainer, own["peak_bytes"], "sum"))
        self.fit.grown_bytes = int(_over_ranks(trainer, own["grown_bytes"], "sum"))
        self.fit.rank_grown_bytes = int(_over_ranks(trainer, own["grown_bytes"], "max"))
        self.fit.steps = trainer.global_step
        if self._diverged_anywhere(trainer) and self.fit.diverged_at_step is None:
            self.fit.diverged_at_step = trainer.global_step
        _leave(trainer, learner, self.fit)

    def _diverged_anywhere(self, trainer: pl.Trainer) -> bool:
        return bool(_over_ranks(trainer, self.fit.diverged_at_step is not None, "max"))

    def _own(self) -> dict[str, int]:
        """Return this process's own figures, including its earlier parts."""
        peak = memory.peak_bytes()
        now = {"peak_bytes": peak, "grown_bytes": peak - self.held}
        return {name: max(value, self.earlier.get(name, value)) for name, value in now.items()}

    def _wall_s(self) -> float:
        return self.earlier_wall_s + time.perf_counter() - self.began

    def _start(self) -> None:
        self.sent = link.sent_bytes() if self.counts_bytes else 0
        self.started = time.perf_counter()

    def _stop(self, trainer: pl.Trainer) -> None:
        if self.started is None:
            return
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.fit.train_time_s += time.perf_counter() - self.started
        if self.fit.communicated_bytes is not None:
            self.fit.communicated_bytes += link.sent_bytes() - self.sent
        self.started = None


def _over_ranks(trainer: pl.Trainer, value: float, reduce_op: str) -> float:
    here = torch.tensor(float(value), device=trainer.strategy.root_device, dtype=torch.float64)
    return trainer.strategy.reduce(here, reduce_op=reduce_op).item()


def _rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def _of_all_ranks(own: dict[str, Any]) -> list[Any]:
    """Gather a value from each process, in order of rank."""
    if not distributed.is_initialized():
        return [own]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, own)
    return found


def _finite(parameter: Tensor) -> bool:
    """Tell if a weight is finite. If the weight is split over ranks, check this rank's part."""
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return bool(torch.isfinite(own).all())


def _leave(trainer: pl.Trainer, learner: Any, fit: Fit) -> None:
    """Write the training's figures and, if distributed, its weights, for the process that started the training."""
    if trainer.world_size > 1:
        state = learner.method.whole_state(learner.model)
        if trainer.is_global_zero:
            torch.save(state, learner.folder / WEIGHTS)
        learner.model = nn.Identity()  # otherwise Lightning would send the model again
    if trainer.is_global_zero:
        write_json(asdict(fit), learner.folder / REPORT)
