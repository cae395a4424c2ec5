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
FIXED = "torch.export takes the length of its inputs for a constant, as in a GRU: use onnxruntime, torchscript or eager"
CHECKED = (1, 2, 40)  # samples: a graph may hold the number it was made from, or one of a range around it


class Examples(tuple[Tensor, ...]):
    """Example inputs of samples that differ in length: as long as any, and which of their dimensions that is."""

    dimensions: tuple[int | None, ...]  # of each input; None: fixed
    shorter: tuple[Tensor, ...]  # the inputs of one short sample


def two_samples(example_inputs: tuple[Tensor, ...], device: str = "cpu") -> tuple[Tensor, ...]:
    """What to export from: exporters take a batch of one for a constant."""
    inputs = tuple(torch.cat([x, x])[:2].to(device) for x in example_inputs)
    if not isinstance(example_inputs, Examples):
        return inputs
    found = Examples(inputs)
    found.dimensions, found.shorter = example_inputs.dimensions, tuple(x.to(device) for x in example_inputs.shorter)
    return found


def varying(inputs: tuple[Tensor, ...], largest: int | None = None) -> tuple[dict, ...]:
    """For `torch.export`: of every input the batch varies, up to `largest` samples, and the length if there is one."""
    batch = torch.export.Dim("batch", min=1, max=largest)
    lengths = ({} if d is None else {d: torch.export.Dim.AUTO(max=x.shape[d])} for x, d in _each(inputs))
    return tuple({0: batch} | length for length in lengths)


def program(model: nn.Module, inputs: tuple[Tensor, ...], largest: int | None = None) -> torch.export.ExportedProgram:
    """What `torch.export` makes of the model, see `varying`.

    Raises:
        CellFailure: `unsupported`, where it takes a length for a constant.
    """
    exported = torch.export.export(model, tuple(inputs), dynamic_shapes=varying(inputs, largest))
    shapes = {node.name: node.meta["val"].shape for node in exported.graph.nodes if node.op == "placeholder"}
    for name, (_, d) in zip(exported.graph_signature.user_inputs, _each(inputs), strict=True):
        if d is not None and isinstance(shapes[name][d], int):
            raise CellFailure("unsupported", FIXED)
    return exported


def open_shape(inputs: tuple[Tensor, ...]) -> list[list[int]]:
    """The shape of every input, -1 where it varies."""
    return [[-1 if i in (0, d) else n for i, n in enumerate(x.shape)] for x, d in _each(inputs)]


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


def _each(inputs: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, int | None]]:
    """Every input, and the dimension that is its length."""
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
