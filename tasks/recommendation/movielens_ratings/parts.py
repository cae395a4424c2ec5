"""The ratings, split. No torch."""

from __future__ import annotations

import numpy as np

from .._movielens import Ratings, ratings

HELD_OUT = 0.1  # of the ratings for testing, and as many for validation


def build() -> dict[str, np.ndarray]:
    """Users and items, int64 [n], and stars, float32 [n], of each part."""
    return split(ratings())


def split(rated: Ratings) -> dict[str, np.ndarray]:
    """By rating, at random, the same every time."""
    n = len(rated.stars)
    held_out = round(HELD_OUT * n)
    parts = np.split(np.random.default_rng(0).permutation(n), [held_out, 2 * held_out])
    return {
        f"{name}_{column}": getattr(rated, column)[chosen]
        for name, chosen in zip(("test", "val", "train"), parts, strict=True)
        for column in ("users", "items", "stars")
    }
