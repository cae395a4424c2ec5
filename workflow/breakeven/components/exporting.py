"""Parts that exports of runtimes share: example inputs, dynamic shapes, and a check of an exported file's outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from breakeven.errors import CellFailure

TOLERANCE = 1e-3  # as a share of the largest output; float32 sums in another order differ by some 1e-6
ROUNDED = 0.02  # the same for models of few bits, where a value between two numbers may be rounded either way
FEW_BITS = {torch.float16, torch.bfloat16, torch.int8, torch.uint8}
FIXED = "torch.export takes the length of its inputs for a constant, as in a GRU: use onnxruntime, torchscript or eager"
CHECKED = (1, 2, 40)  # samples per batch: a graph may be fixed to the batch size of its export, or to a range around it


class Examples(tuple[Tensor, ...]):
    """Example inputs of samples that differ in length, padded to the greatest length.

    It tells which dimension of each input is the length, and brings the inputs of one short sample along.
    """

    dimensions: tuple[int | None, ...]  # for each input, the dimension of its length; None: its shape is fixed
    shorter: tuple[Tensor, ...]  # the inputs of one short sample


def two_samples(example_inputs: tuple[Tensor, ...], device: str = "cpu") -> tuple[Tensor, ...]:
    """Return two samples to export from, on `device`: exporters take a batch size of one for a constant.

    Args:
        example_inputs: the inputs of one sample or more; `Examples` stay `Examples`.
    """
    inputs = tuple(torch.cat([x, x])[:2].to(device) for x in example_inputs)
    if not isinstance(example_inputs, Examples):
        return inputs
    found = Examples(inputs)
    found.dimensions, found.shorter = example_inputs.dimensions, tuple(x.to(device) for x in example_inputs.shorter)
    return found


def varying(inputs: tuple[Tensor, ...], largest: int | None = None) -> tuple[dict[int, Any], ...]:
    """Return `dynamic_shapes` for `torch.export`: for each input, the batch and the length, if there is one.

    Args:
        largest: the most samples in a batch; None for no limit.
    """
    batch = torch.export.Dim("batch", min=1, max=largest)
    lengths = ({} if d is None else {d: torch.export.Dim.AUTO(max=x.shape[d])} for x, d in _each(inputs))
    return tuple({0: batch} | length for length in lengths)


def program(model: nn.Module, inputs: tuple[Tensor, ...], largest: int | None = None) -> torch.export.ExportedProgram:
    """Export the model with `torch.export`, for batches of any size up to `largest` and for any length: see `varying`.

    Raises:
        CellFailure: `unsupported`, where `torch.export` takes a length for a constant.
    """
    exported = torch.export.export(model, tuple(inputs), dynamic_shapes=varying(inputs, largest))
    shapes = {node.name: node.meta["val"].shape for node in exported.graph.nodes if node.op == "placeholder"}
    for name, (_, d) in zip(exported.graph_signature.user_inputs, _each(inputs), strict=True):
        if d is not None and isinstance(shapes[name][d], int):
            raise CellFailure("unsupported", FIXED)
    return exported


def open_shape(inputs: tuple[Tensor, ...]) -> list[list[int]]:
    """Return the shape of every input, with -1 where it varies: in the batch, and in the length if there is one."""
    return [[-1 if i in (0, d) else n for i, n in enumerate(x.shape)] for x, d in _each(inputs)]


def same_outputs(model: nn.Module, call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> bool:
    """Return whether `call` gives the outputs of `model` within `tolerance`, in batches of 1, 2 and 40 samples.

    Args:
        model: the module that was exported.
        call: serves the exported file.
        inputs: two samples. With `Examples`, batches of the short sample are compared too.
    """
    with torch.inference_mode():
        return all(_close(call(*batch), model(*batch), tolerance(model)) for batch in _batches(inputs))


def tolerance(model: nn.Module) -> float:
    """Return how far a file's outputs may be from those of the module, as a share of the largest output."""
    weights = chain(model.parameters(), model.buffers())
    return ROUNDED if any(weight.dtype in FEW_BITS for weight in weights) else TOLERANCE


def require_same_outputs(model: nn.Module, call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    """Check an exported file's outputs: see `same_outputs` for the arguments.

    Raises:
        CellFailure: `method_error`, where they differ from those of the module.
    """
    if not same_outputs(model, call, inputs):
        raise CellFailure("method_error", "outputs of the exported file are not those of the module: use eager")


def refused(error: Exception) -> CellFailure:
    """Turn an exporter's own error into the cell's failure: `method_error`, its first line, and what to do."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return CellFailure("method_error", f"{said[:300]}: use eager")


def _each(inputs: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, int | None]]:
    """Yield every input with the dimension of its length."""
    yield from zip(inputs, inputs.dimensions if isinstance(inputs, Examples) else [None] * len(inputs), strict=True)


def _batches(inputs: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    for samples in (inputs, inputs.shorter) if isinstance(inputs, Examples) else (inputs,):
        for size in CHECKED:
            yield tuple(x.repeat(-(-size // len(x)), *[1] * (x.dim() - 1))[:size] for x in samples)


def _close(found: Tensor, expected: Tensor, apart: float) -> bool:
    if found.shape != expected.shape:
        return False
    scale = max(expected.abs().max().item(), 1e-6)
    return (found - expected).abs().max().item() <= apart * scale
