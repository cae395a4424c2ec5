"""What the exports of runtimes share: the samples they are made from, and a check of what the file then serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from breakeven.errors import CellFailure

TOLERANCE = 1e-3  # of the largest output; float32 sums in another order differ by some 1e-6
ROUNDED = 0.02  # the same of a model of fewer bits: what lies between two of its numbers goes either way
FEW_BITS = {torch.float16, torch.bfloat16, torch.int8, torch.uint8}
CHECKED = (1, 2, 40)  # samples: a graph may hold the number it was made from, or one of a range around it


def two_samples(example_inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What to export from: exporters take a batch of one for a constant."""
    return tuple(torch.cat([x, x])[:2] for x in example_inputs)


def any_batch(inputs: tuple[Tensor, ...]) -> tuple[dict, ...]:
    """For `torch.export`: the first dimension of every input varies."""
    return tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs)


def same_outputs(model: nn.Module, call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> bool:
    """Whether `call` gives the outputs of `model`, whatever the size of the batch; `inputs` are two samples."""
    with torch.inference_mode():
        return all(_close(call(*batch), model(*batch), tolerance(model)) for batch in _batches(inputs))


def tolerance(model: nn.Module) -> float:
    """How far a file's outputs may be from those of the module, as a share of the largest."""
    weights = chain(model.parameters(), model.buffers())
    return ROUNDED if any(weight.dtype in FEW_BITS for weight in weights) else TOLERANCE


def require_same_outputs(model: nn.Module, call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    """Raise where an exported file serves other outputs than the module it was made from.

    Raises:
        CellFailure: `method_error`.
    """
    if not same_outputs(model, call, inputs):
        raise CellFailure("method_error", "outputs of the exported file are not those of the module: use eager for it")


def refused(error: Exception) -> CellFailure:
    """What an exporter's own error means for the cell: its first line, and what to do."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return CellFailure("method_error", f"{said[:300]}: use eager for it")


def _batches(inputs: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    for size in CHECKED:
        yield tuple(x.repeat(-(-size // len(x)), *[1] * (x.dim() - 1))[:size] for x in inputs)


def _close(found: Tensor, expected: Tensor, apart: float) -> bool:
    if found.shape != expected.shape:
        return False
    scale = max(expected.abs().max().item(), 1e-6)
    return (found - expected).abs().max().item() <= apart * scale
