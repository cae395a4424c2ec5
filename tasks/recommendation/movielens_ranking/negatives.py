"""Draws films that a user did not watch, anew for each training batch."""

from __future__ import annotations

import torch
from torch import Tensor

from .._movielens import ITEMS, USERS
from .parts import TO_DRAW


def unwatched(users: Tensor, candidates: Tensor) -> Tensor:
    """The films that may be drawn for each user, float32 [USERS, ITEMS]: 0 if in these training samples, else 1.

    Films of validation and test are not known here. They are drawn as often as any other film.
    """
    sample, place = (candidates != TO_DRAW).nonzero(as_tuple=True)
    allowed = torch.ones(USERS, ITEMS)
    allowed[users[sample], candidates[sample, place]] = 0
    return allowed


def draw(allowed: Tensor, users: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Fill the open places among the candidates with drawn films, no film twice for a user.

    Returns:
        The same users [batch], and candidates [batch, CANDIDATES] without open places.
    """
    drawn = torch.multinomial(allowed[users], candidates.shape[1])
    return users, torch.where(candidates == TO_DRAW, drawn, candidates)
