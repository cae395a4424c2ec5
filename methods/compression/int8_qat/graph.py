"""Makes a graph of a module that rounds while it trains, and turns the trained graph into one of integers."""

from __future__ import annotations

from typing import Self

from torch import Tensor, fx, nn
from torchao.quantization.pt2e import FakeQuantize, disable_observer
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import Quantizer

from breakeven.components.graphs import exported, savable, with_integer_weights
from breakeven.errors import CellFailure

from .kernels import fit_kernels
from .layout import DROPOUTS


class Rounding(nn.Module):
    """A prepared graph that can be switched to training mode, which an exported graph refuses."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the graph."""
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> Self:
        """Switch the graph's dropouts on or off, and nothing else."""
        # torchao's own switch would set every dropout rate to one half.
        for node in self.graph.graph.nodes:
            if node.target in DROPOUTS:
                node.args = (*node.args[:2], mode)
        self.graph.recompile()
        self.training = mode
        return self


def rounding(model: nn.Module, inputs: tuple[Tensor, ...], layout: Quantizer) -> Rounding:
    """Return a copy of the model that rounds weights and activations as `layout` says, not yet trained.

    Raises:
        CellFailure: `unsupported`, where the model does not export or has nothing to round.
    """
    # prepare_qat_pt2e assumes batch norm's default epsilon and momentum, and divides by its scale: not used here.
    prepared = prepare_pt2e(exported(model, inputs), layout)
    if not any(isinstance(module, FakeQuantize) for module in prepared.modules()):
        raise CellFailure("unsupported", "the model has no convolution or linear layer: leave the method out")
    return Rounding(prepared).eval()


def integer(trained: Rounding) -> fx.GraphModule:
    """Return the trained graph with integer weights, as a plain module that can be saved, exported and counted."""
    trained.apply(disable_observer)
    model = savable(convert_pt2e(trained.graph))
    fit_kernels(model)
    return with_integer_weights(model)
