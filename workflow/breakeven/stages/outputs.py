"""A model's outputs for a few test samples: the evaluation stores them, and the timed process must give them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from breakeven.errors import CellFailure
from breakeven.hardware import HardwareProfile
from breakeven.protocol import OUTPUT_SAMPLES, OUTPUT_TOLERANCE
from breakeven.task import Task


def outputs_of(model: Callable[..., Tensor], task: Task, hardware: HardwareProfile) -> np.ndarray:
    """Return the outputs for the first OUTPUT_SAMPLES test samples, in one batch."""
    with torch.inference_mode():
        inputs = (x.to(device_of(hardware)) for x in task.example_inputs(OUTPUT_SAMPLES))
        return model(*inputs).cpu().numpy()


def write(outputs: np.ndarray, path: Path) -> str:
    """Store outputs and return their sha256."""
    np.save(path, outputs, allow_pickle=False)
    return sha256(outputs)


def require_same(found: np.ndarray, path: Path) -> None:
    """Raise if `found` differs from the outputs stored in `path` by more than OUTPUT_TOLERANCE.

    Raises:
        CellFailure: `method_error`, with both hashes.
    """
    expected = np.load(path, allow_pickle=False)
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    if found.shape != expected.shape:
        apart = f"of shape {found.shape}, not {expected.shape}"
    elif np.allclose(found, expected, rtol=0, atol=OUTPUT_TOLERANCE * largest, equal_nan=True):
        return
    else:
        with np.errstate(invalid="ignore"):
            apart = f"by up to {np.abs(found - expected).max():.3g}, the largest being {largest:.3g}"
    reason = (
        f"the timed process gives other outputs than those evaluated, {apart}: sha256 of the outputs evaluated"
        f" {sha256(expected)}, timed {sha256(found)}: the runtime must serve its file the same way in every process"
    )
    raise CellFailure("method_error", reason)


def sha256(outputs: np.ndarray) -> str:
    """Return the sha256 of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(outputs).tobytes()).hexdigest()


def device_of(hardware: HardwareProfile) -> str:
    """Return the torch device that keeps the inputs."""
    return "cuda" if hardware.accelerator == "cuda" else "cpu"
