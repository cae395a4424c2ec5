"""A smaller GRU or LSTM with the interface of the original layer. Saved models name this class."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

HOW = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
States = Tensor | tuple[Tensor, Tensor]  # a GRU's hidden states, or an LSTM's hidden and cell states


class Widened(nn.Module):
    """A smaller GRU or LSTM that takes and gives states as wide as the original's: removed units are zero."""

    hidden_size: int
    kept: Tensor
    outputs: Tensor
    states: Tensor

    def __init__(self, original: nn.RNNBase, kept: list[Tensor]) -> None:
        super().__init__()
        for name in ("mode", "input_size", "hidden_size", "proj_size", *HOW):  # for code that reads them from the layer
            setattr(self, name, getattr(original, name))
        how = {name: getattr(original, name) for name in HOW}
        recurrent = cast(type[nn.GRU | nn.LSTM], type(original))
        self.layer = recurrent(original.input_size, len(kept[0]), **how)
        directions = 2 if original.bidirectional else 1
        shown = _joined(kept[-directions:], self.hidden_size)
        self.register_buffer("kept", torch.stack(kept))
        self.register_buffer("outputs", _places(shown, directions * self.hidden_size))
        self.register_buffer("states", torch.stack([_places(each, self.hidden_size) for each in kept]))
        gates = cast(Tensor, original.weight_hh_l0).shape[0] // self.hidden_size
        for number, suffix in enumerate(suffixes_of(original)):
            first = number // directions * directions
            below = _joined(kept[first - directions : first], self.hidden_size) if first else slice(None)
            rows = _joined([kept[number]] * gates, self.hidden_size)
            for kind, columns in (("ih", below), ("hh", kept[number])):
                weight = getattr(original, f"weight_{kind}_{suffix}").detach()
                getattr(self.layer, f"weight_{kind}_{suffix}").data.copy_(weight[rows][:, columns])
                if original.bias:
                    bias = getattr(original, f"bias_{kind}_{suffix}").detach()
                    getattr(self.layer, f"bias_{kind}_{suffix}").data.copy_(bias[rows])

    def flatten_parameters(self) -> None:
        """Call the inner layer's `flatten_parameters`."""
        self.layer.flatten_parameters()

    def forward(
        self, x: Tensor | PackedSequence, states: States | None = None
    ) -> tuple[Tensor | PackedSequence, States]:
        """Call the inner layer, and put zeros in place of removed units."""
        out, states = self.layer(x, None if states is None else _each(states, self._narrow))
        packed = isinstance(out, PackedSequence)
        values = out.data if packed else out
        values = _spread(values, self.outputs)
        return PackedSequence(values, *out[1:]) if packed else values, _each(states, self._widen)

    def _narrow(self, states: Tensor) -> Tensor:
        return torch.stack([part[..., kept] for part, kept in zip(states.unbind(), self.kept.unbind(), strict=True)])

    def _widen(self, states: Tensor) -> Tensor:
        pairs = zip(states.unbind(), self.states.unbind(), strict=True)
        return torch.stack([_spread(part, places) for part, places in pairs])


def suffixes_of(layer: nn.RNNBase) -> list[str]:
    """Return the suffixes of a layer's weights, in the order of its states: l0, l0_reverse, l1, …"""
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    return [f"l{number}{direction}" for number in range(layer.num_layers) for direction in directions]


def _joined(parts: list[Tensor], size: int) -> Tensor:
    """Return indices into consecutive blocks of `size`."""
    return torch.cat([part + number * size for number, part in enumerate(parts)])


def _places(kept: Tensor, width: int) -> Tensor:
    """Return the place of each of `width` columns among the kept ones; for a removed column the place behind them."""
    return torch.full((width,), len(kept)).index_copy(0, kept, torch.arange(len(kept)))


def _spread(x: Tensor, places: Tensor) -> Tensor:
    """Return the columns of `x` in their places, and zeros elsewhere."""
    # A gather, because the ONNX exporter turns a scatter of varying length into a graph that does not run.
    # The zeros are made from x, so that they are as long as x in each call, not as x was in the export.
    return torch.cat([x, x[..., :1] * 0], dim=-1).index_select(-1, places)


def _each(states: States, change: Callable[[Tensor], Tensor]) -> States:
    return change(states) if isinstance(states, Tensor) else (change(states[0]), change(states[1]))
