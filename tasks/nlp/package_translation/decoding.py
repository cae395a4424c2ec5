"""Decodes greedily: a translation grows by the most likely subword until it ends."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from .corpus import END, LENGTH, PADDING

STEP = 4  # prefixes are padded to a multiple of it, so that the model meets few shapes


def greedy(model: Callable[..., Tensor], source_ids: Tensor, prefix_ids: Tensor) -> Tensor:
    """Translate the sources to ids int64 [batch, LENGTH], padded after END. Only the first id of a prefix counts."""
    ids = prefix_ids[:, :1]
    ended = torch.zeros_like(ids[:, 0], dtype=torch.bool)
    while ids.shape[1] <= LENGTH and not ended.all():
        logits = model(source_ids, pad(ids, (0, -ids.shape[1] % STEP), value=PADDING))
        likeliest = logits[:, ids.shape[1] - 1].argmax(1).masked_fill(ended, PADDING)
        ids = torch.cat([ids, likeliest.unsqueeze(1)], dim=1)
        ended = ended | (likeliest == END)
    return pad(ids[:, 1:], (0, LENGTH + 1 - ids.shape[1]), value=PADDING)
