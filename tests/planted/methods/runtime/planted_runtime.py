"""Eager PyTorch that fails by its parameter in the timed process, but not in its evaluation."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import Runtime
from breakeven.units import registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile


@dataclass(frozen=True)
class PlantedRuntime(Runtime):
    """Says `at work PID` in each timed process."""

    reference: ClassVar[str] = "planted"
    suffix: ClassVar[str] = ".pt"

    cause: str = "none"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """See `Runtime`."""
        registry.method("eager").export(model, example_inputs, path)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        """See `Runtime`."""
        eager = registry.method("eager").load(path, hardware)
        if multiprocessing.current_process().name == "serving":  # only timed processes have this name
            print("at work", os.getpid(), flush=True)
            self._fail()
        return eager

    def _fail(self) -> None:
        if self.cause == "memory":
            bytearray(2**32)
        if self.cause == "wait":
            time.sleep(600)
        if self.cause == "segfault":
            faulthandler.disable()
            ctypes.string_at(0)
        if self.cause == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.cause == "kill_the_job":  # kills the process that times, not the one that serves
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
