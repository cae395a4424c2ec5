"""Eager PyTorch that holds 200 MB more than it needs: a memory whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import Runtime
from breakeven.units import registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile

HOARD_BYTES = 200_000_000


@dataclass(frozen=True)
class Hoarding(Runtime):
    """Eager, and 200 MB."""

    reference: ClassVar[str] = "planted"
    suffix: ClassVar[str] = ".pt"

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        registry.method("eager").export(model, example_inputs, path)  # type: ignore[attr-defined]

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        eager = registry.method("eager").load(path, hardware)  # type: ignore[attr-defined]
        hoard = bytearray(b"\x01") * HOARD_BYTES  # written to: pages of zeros would not be held

        def call(*inputs: Tensor) -> Tensor:
            assert hoard
            return eager(*inputs)

        return call
