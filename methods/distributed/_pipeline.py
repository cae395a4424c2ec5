"""Trains a network in stages, one per process, by torch's pipeline schedules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.pipelining.schedules import PipelineScheduleSingle
from torch.utils._pytree import tree_map_only

from breakeven.method import Loss

from ._stages import Inputs, Stage

SCHEDULES = {"gpipe": ScheduleGPipe, "1f1b": Schedule1F1B}
Values = TypeVar("Values")  # tensors in any structure
SHAPES = 8  # batch shapes whose schedules are kept: a schedule of torch's has buffers for one shape


class Pipeline(nn.Module):
    """The stages of all processes, in the order of their ranks. Each process calls it with the whole batch."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.rank, self.last = distributed.get_rank(), distributed.get_world_size() - 1
        self.schedule = lru_cache(SHAPES)(self._schedule)
        self.random = torch.Generator().manual_seed(torch.initial_seed() + self.rank).get_state()

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the network's outputs in every process: one stage after the other, on the undivided batch."""
        box: list[Any] = [()]
        if self.rank > 0:
            distributed.recv_object_list(box, src=self.rank - 1)
        box = [self.stage(*_on(inputs[0].device, box[0]), inputs=inputs)]
        if self.rank < self.last:
            distributed.send_object_list(_on("cpu", box), dst=self.rank + 1)
        box = _on("cpu", box)
        distributed.broadcast_object_list(box, src=self.last)
        return _on(inputs[0].device, box[0])

    def gradients(self, schedule: str, parts: int, inputs: Inputs, target: Tensor, loss: Loss) -> Tensor:
        """Leave a batch's gradients in this stage's parameters; return the mean loss, in every process.

        Args:
            schedule: a key of SCHEDULES.
            parts: the number of micro-batches; a divisor of the batch size.
        """
        shapes = tuple(x.shape for x in inputs)
        micro = [{"inputs": part} for part in zip(*(x.chunk(parts) for x in inputs), strict=True)]
        losses: list[Tensor] = []
        with self._own_randomness():
            self.schedule(schedule, parts, shapes, inputs[0].device, loss).step(
                arg_mbs=[()] * parts,
                kwarg_mbs=micro,
                target_mbs=list(target.chunk(parts)),
                losses=losses,
                return_outputs=False,
            )
        mean = torch.stack(losses).mean().detach() if losses else torch.zeros((), device=inputs[0].device)
        distributed.broadcast(mean, src=self.last)
        return mean

    def whole_state(self) -> dict[str, Tensor]:
        """Return the network's state on the CPU in the process of rank 0, and an empty one in the others."""
        parts: list[dict[str, Tensor] | None] | None = [None] * (self.last + 1) if self.rank == 0 else None
        distributed.gather_object(_on("cpu", self.stage.network.state_dict()), parts)
        return {name: value for part in parts or [] if part for name, value in part.items()}

    def _schedule(
        self, schedule: str, parts: int, shapes: tuple[torch.Size, ...], device: torch.device, loss: Loss
    ) -> PipelineScheduleSingle:
        # torch's stage takes the shapes of its first batch, and no others later.
        return SCHEDULES[schedule](PipelineStage(self.stage, self.rank, self.last + 1, device), parts, loss_fn=loss)

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Draw dropout from this stage's own random state; the data's random state stays equal in all processes."""
        shared = torch.get_rng_state()
        torch.set_rng_state(self.random)
        try:
            yield
        finally:
            self.random = torch.get_rng_state()
            torch.set_rng_state(shared)


def _on(device: torch.device | str, values: Values) -> Values:
    return tree_map_only(Tensor, lambda x: x.to(device), values)
