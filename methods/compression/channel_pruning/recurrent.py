"""Chooses and removes hidden units of GRU and LSTM layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .importance import worth
from .widened import Widened, suffixes_of

if TYPE_CHECKING:
    from . import ChannelPruning


def is_recurrent(module: nn.Module) -> bool:
    """Return whether a module is recurrent: torch-pruning cannot follow channels through it."""
    return isinstance(module, (nn.RNNBase, nn.RNNCellBase))


def shrink(model: nn.Module, method: ChannelPruning) -> tuple[nn.Module, bool]:
    """Return the model with fewer units in its GRU and LSTM layers, and whether any unit was removed."""
    smaller: dict[nn.Module, nn.Module] = {}
    for layer in model.modules():
        if isinstance(layer, nn.RNNBase) and type(layer) in (nn.GRU, nn.LSTM) and not layer.proj_size:
            left = round(layer.hidden_size * (1 - method.ratio)) // method.round_to * method.round_to
            if 0 < left < layer.hidden_size:
                smaller[layer] = Widened(layer, best_units(layer, left, method.importance))
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # also a shared layer's other names
            if child in smaller:
                setattr(parent, name, smaller[child])
    return smaller.get(model, model), bool(smaller)


def best_units(layer: nn.RNNBase, count: int, importance: str) -> list[Tensor]:
    """Return the indices of the units to keep, ascending, for every layer of the stack and every direction in it."""
    suffixes, size = suffixes_of(layer), layer.hidden_size
    incoming, between = (
        [worth(getattr(layer, f"weight_{kind}_{suffix}"), importance) for suffix in suffixes] for kind in ("ih", "hh")
    )
    scores = []
    for own, recurrent in zip(incoming, between, strict=True):
        gates = (own.sum(1) + recurrent.sum(1)).view(-1, size)
        scores.append(gates.sum(0) + recurrent.sum(0))
    directions = 2 if layer.bidirectional else 1
    for number, read in enumerate(incoming[directions:]):  # a layer reads all directions of the layer below
        for direction, columns in enumerate(read.sum(0).split(size)):
            scores[number // directions * directions + direction] += columns
    return [score.topk(count).indices.sort().values for score in scores]
