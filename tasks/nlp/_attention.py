"""What the transformers trained from scratch here share: plain layers, which every exporter and compression knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017)."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(features, features) for _ in range(4))

    def forward(self, states: Tensor, others: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, length, features] to the same, from `others` [batch, other length, features].

        Args:
            mask: true where a place may look, or what to add to the scores, [batch, heads, length, other length].
                Without one each place sees itself and those before it, thus never the padding at the end.
        """
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, states), (self.key, others), (self.value, others))
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.out(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers on each place by itself, beside what goes in."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.wide, self.narrow = nn.Linear(features, 2 * features), nn.Linear(2 * features, features)

    def forward(self, states: Tensor) -> Tensor:
        """[batch, length, features] to the same."""
        return states + self.narrow(self.wide(self.norm(states)).relu())


def positions(states: Tensor) -> Tensor:
    """Sines and cosines [length, features], computed rather than stored: no length is the longest."""
    length, features = states.shape[1:]
    places = torch.arange(length, device=states.device, dtype=states.dtype).unsqueeze(1)
    rates = 10_000 ** (-torch.arange(0, features, 2, device=states.device, dtype=states.dtype) / features)
    return torch.cat([(places * rates).sin(), (places * rates).cos()], dim=1)


def closeness(states: Tensor, others: Tensor, heads: int) -> Tensor:
    """What to add to the scores of attention [heads, length, other length]: it falls with the distance of two places.

    As in ALiBi (Press et al., 2022): by half as much from head to head.
    """
    rows, columns = (torch.arange(x.shape[1], device=x.device, dtype=x.dtype) for x in (states, others))
    slopes = 2.0 ** -torch.arange(heads, device=states.device, dtype=states.dtype)
    return -slopes[:, None, None] * (rows.unsqueeze(1) - columns).abs()
