"""Quantises ONNX Runtime's file, by ONNX Runtime's own tools."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import onnx

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

from .kept import fewest, within
from .network import Network, serve

if TYPE_CHECKING:
    from . import Int8Static


def quantise(source: Path, target: Path, context: CompressionContext, how: Int8Static) -> None:
    """Write `source` in 8 bits to `target`.

    Raises:
        CellFailure: `unsupported`, where no operator can be quantised, or none may be at the tolerance.
    """
    with TemporaryDirectory() as folder:
        network = Network(source, Path(folder), context, how)
        network.write(target, network.thin)
        if how.keep_float == "auto":
            _restore(network, source, target, context, how.tolerance)
    if not any(node.op_type == "QuantizeLinear" for node in onnx.load(target).graph.node):
        raise CellFailure("unsupported", "the graph has no operator to quantise: leave the method out")


def _restore(network: Network, source: Path, target: Path, context: CompressionContext, tolerance: float) -> None:
    """Leave the costliest layers in float32, as few as bring back the quality of `source` within the tolerance."""
    good = within(context, context.validate(serve(source)), tolerance)
    if good(context.validate(serve(target))):
        return

    def enough(kept: Collection[str]) -> bool:
        network.write(target, {*network.thin, *kept})
        return good(context.validate(serve(target)))

    network.write(target, {*network.thin, *fewest(network.by_cost(), enough)})
