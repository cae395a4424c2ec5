"""Plain layers of the transformers that are trained from scratch here. All exporters and compressions know them."""

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
        """New states [batch, length, features] of each place, from `others` [batch, other length, features].

        Args:
            mask: [batch, heads, length, other length]: boolean, true where a place may look; or numbers to add to the
                scores. Without a mask, each place sees itself and earlier places, so never the padding at the end.
        """
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, states), (self.key, others), (self.value, others))
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.out(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers on each place by itself, with a residual connection."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.wide, self.narrow = nn.Linear(features, 2 * features), nn.Linear(2 * features, features)

    def forward(self, states: Tensor) -> Tensor:
        """New states, with the shape [batch, length, features] of the given ones."""
        return states + self.narrow(self.wide(self.norm(states)).relu())


def positions(states: Tensor) -> Tensor:
    """Sines and cosines [length, features]. They are computed, not stored, so that there is no longest length."""
    length, features = states.shape[1:]
    places = torch.arange(length, device=states.device, dtype=states.dtype).unsqueeze(1)
    rates = 10_000 ** (-torch.arange(0, features, 2, device=states.device, dtype=states.dtype) / features)
    return torch.cat([(places * rates).sin(), (places * rates).cos()], dim=1)


def closeness(states: Tensor, others: Tensor, heads: int) -> Tensor:
    """Numbers to add to attention scores [heads, length, other length]: the farther two places, the lower.

    The slope halves from head to head, as in ALiBi (Press et al., 2022).
    """
    rows, columns = (torch.arange(x.shape[1], device=x.device, dtype=x.dtype) for x in (states, others))
    slopes = 2.0 ** -torch.arange(heads, device=states.device, dtype=states.dtype)
    return -slopes[:, None, None] * (rows.unsqueeze(1) - columns).abs()
