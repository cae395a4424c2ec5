"""Films that a user did not watch, drawn anew for every training batch."""

from __future__ import annotations

import torch
from torch import Tensor

from .._movielens import ITEMS, USERS
from .parts import TO_DRAW


def unwatched(users: Tensor, candidates: Tensor) -> Tensor:
    """1 for every user and film not in these training samples, 0 for the others: float32 [USERS, ITEMS].

    Of films kept for validation and test it knows nothing, and draws them as often as any other.
    """
    sample, place = (candidates != TO_DRAW).nonzero(as_tuple=True)
    allowed = torch.ones(USERS, ITEMS)
    allowed[users[sample], candidates[sample, place]] = 0
    return allowed


def draw(allowed: Tensor, users: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """The same users and candidates, the places of films to be drawn filled, no film twice for a user."""
    drawn = torch.multinomial(allowed[users], candidates.shape[1])
    return users, torch.where(candidates == TO_DRAW, drawn, candidates)
