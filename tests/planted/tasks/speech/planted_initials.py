"""Mandarin initials for one epoch, with a planted cause of failure, which is named by a task parameter."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.plugins.tasks.speech.mandarin_initials import MandarinInitials
from pydantic.dataclasses import dataclass

from breakeven.task import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

MINUTES = 600  # seconds: duration of a planted step that takes too long
STEP_S = 0.05  # seconds that a slow training adds per step


@dataclass(frozen=True)
class PlantedInitials(MandarinInitials):
    """Says `at work PID` for each attempt, then acts by its cause: in `model`, or in every rank for `rank_…`."""

    cause: str = "none"

    @property
    def recipe(self) -> Recipe:
        """Return a recipe of one epoch. If the cause is divergence, no training survives the learning rate."""
        return Recipe(epochs=1, batch_size=64, learning_rate=1e30 if self.cause == "diverge" else 0.005)

    def model(self) -> nn.Module:
        """See `Task`."""
        print("at work", os.getpid(), flush=True)
        if self.cause in ("raise", "segfault", "wait", "be_killed", "full_disk", "full_disk_twice", "wait_if_told"):
            getattr(self, f"_{self.cause}")()
        return MandarinInitials.model(self)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """See `Task`."""
        from torch import distributed

        if self.cause == "rank_wait":
            os.write(1, f"rank {os.getpid()}\n".encode())  # one write, because the other rank writes too
            time.sleep(MINUTES)
        if self.cause == "slow":
            os.write(1, b"step\n")
            time.sleep(STEP_S)
        if self.cause == "rank_killed" and os.environ["LOCAL_RANK"] == "1":  # the other rank then waits for this one
            os.kill(os.getpid(), signal.SIGKILL)
        if self.cause == "rank_memory":
            raise MemoryError("planted in a rank")
        if self.cause.startswith("rank_1_") and distributed.get_rank() == 1:
            getattr(self, f"_{self.cause}")()
        return MandarinInitials.loss(self, outputs, target)

    def _raise(self) -> None:
        raise RuntimeError("planted in the test")

    def _segfault(self) -> None:
        faulthandler.disable()
        ctypes.string_at(0)

    def _wait(self) -> None:
        time.sleep(MINUTES)

    def _wait_if_told(self) -> None:
        """Let one job wait for each file in a folder, and remove the file."""
        for told in Path(os.environ["PLANTED_WAITS"]).iterdir():
            with suppress(FileNotFoundError):  # another job was faster
                told.unlink()
                self._wait()

    def _rank_1_waits_if_told(self) -> None:
        self._wait_if_told()

    def _rank_1_memory(self) -> None:
        raise MemoryError("planted in a rank")

    def _be_killed(self) -> None:
        signal.pause()

    def _full_disk(self) -> None:
        with Path(os.environ["PLANTED_FULL_DISK"]).open("wb") as scratch:
            scratch.write(bytes(2**20))

    def _full_disk_twice(self) -> None:
        with Path(os.environ["PLANTED_ATTEMPTS"]).open("a+") as attempts:
            attempts.write("x")
            attempts.flush()
            if attempts.tell() < 3:
                self._full_disk()
