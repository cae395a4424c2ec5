"""Eager PyTorch that sleeps until its call has lasted a given time: a latency whose truth is known.

A plain sleep before the call would add more than itself: the call then finds its caches cold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Runtime
from breakeven.units import registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile

LATE_S = 0.002  # a sleep may end late by so much: the rest of the time is waited for on the clock


@dataclass(frozen=True)
class Paced(Runtime):
    """Eager, every call of the same length."""

    reference: ClassVar[str] = "planted"
    suffix: ClassVar[str] = ".pt"

    ms: int = Field(10, ge=3, description="length of every call")

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        registry.method("eager").export(model, example_inputs, path)  # type: ignore[attr-defined]

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        eager = registry.method("eager").load(path, hardware)  # type: ignore[attr-defined]

        def call(*inputs: Tensor) -> Tensor:
            until = time.perf_counter() + self.ms / 1e3
            outputs = eager(*inputs)
            time.sleep(max(0.0, until - time.perf_counter() - LATE_S))
            while time.perf_counter() < until:
                pass
            return outputs

        return call
