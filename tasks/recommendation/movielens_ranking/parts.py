"""Makes samples: a user with films watched among films never watched. Importing this module does not import torch."""

from __future__ import annotations

import numpy as np

from .._movielens import ITEMS, Ratings, ratings

CANDIDATES = 100  # films per sample, of which one is right in validation and test
WATCHED = 20  # films at most per training sample: four negatives for each, as in He et al.
TO_DRAW = -1  # an open place, filled with a drawn film when the sample is used


def build() -> dict[str, np.ndarray]:
    """Make users int64 [n], candidates int64 [n, CANDIDATES] and films watched bool [n, CANDIDATES] of each part."""
    return leave_last_out(ratings(), ITEMS)


def leave_last_out(rated: Ratings, items: int) -> dict[str, np.ndarray]:
    """Take each user's last film for testing, the one before it for validation, the others in groups for training.

    Chance orders films rated in the same second. Ordered by number, the less known film would be last.
    """
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(rated.users)), rated.times, rated.users))
    users, films = rated.users[order], rated.items[order]
    rows: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {part: [] for part in ("train", "val", "test")}
    for user in np.unique(users):
        watched = films[users == user]  # in order of time
        never = np.setdiff1d(np.arange(items), watched)
        for part, film in (("test", watched[-1]), ("val", watched[-2])):
            # Shuffled: a model whose scores are all equal must not find the right film in the first place.
            candidates = rng.permutation(np.append(film, rng.choice(never, CANDIDATES - 1, replace=False)))
            rows[part].append((user, candidates, candidates == film))
        before = rng.permutation(watched[:-2])
        for group in np.array_split(before, -(-len(before) // WATCHED)):
            candidates = np.append(group, np.full(CANDIDATES - len(group), TO_DRAW))
            rows["train"].append((user, candidates, candidates != TO_DRAW))
    names = ("users", "candidates", "watched")
    return {
        f"{part}_{name}": np.array(column)
        for part, of_part in rows.items()
        for name, column in zip(names, zip(*of_part, strict=True), strict=True)
    }
