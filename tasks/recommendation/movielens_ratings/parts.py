"""Splits the ratings. Importing this module does not import torch."""

from __future__ import annotations

import numpy as np

from .._movielens import Ratings, ratings

HELD_OUT = 0.1  # the share of ratings for testing; validation has the same share


def build() -> dict[str, np.ndarray]:
    """Make users and items, int64 [n], and stars, float32 [n], of each part."""
    return split(ratings())


def split(rated: Ratings) -> dict[str, np.ndarray]:
    """Split by rating, at random, in the same way each time."""
    n = len(rated.stars)
    held_out = round(HELD_OUT * n)
    parts = np.split(np.random.default_rng(0).permutation(n), [held_out, 2 * held_out])
    return {
        f"{name}_{column}": getattr(rated, column)[chosen]
        for name, chosen in zip(("test", "val", "train"), parts, strict=True)
        for column in ("users", "items", "stars")
    }
