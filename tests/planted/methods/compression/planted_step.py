"""A compression that fails by the cause in its parameter."""

from __future__ import annotations

import os
import time
from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.method import CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PlantedStep(CompressionMethod):
    """Says `at work PID` for each attempt."""

    reference: ClassVar[str] = "planted"

    cause: str = "none"

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        """See `CompressionMethod`."""
        import numpy as np
        import torch

        print("at work", os.getpid(), flush=True)
        if self.cause == "numpy_memory":
            np.ones(2**30)
        if self.cause == "torch_memory":
            torch.ones(2**30)
        if self.cause == "wait":
            time.sleep(600)
        if self.cause == "raise":
            raise RuntimeError("planted in the test")
        return deepcopy(model)
