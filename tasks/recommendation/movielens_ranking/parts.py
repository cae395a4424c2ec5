"""Users with candidates: what they watched last among what they never did. No torch."""

from __future__ import annotations

import numpy as np

from .._movielens import ITEMS, Ratings, ratings

CANDIDATES = 100  # for every user, of which one is right in validation and test
WATCHED = 20  # at most, in a training sample: four negatives for each, as in He et al.
TO_DRAW = -1  # the place of a film to be drawn when the sample is used


def build() -> dict[str, np.ndarray]:
    """Users int64 [n], candidates int64 [n, CANDIDATES] and which of them were watched, bool, of each part."""
    return leave_last_out(ratings(), ITEMS)


def leave_last_out(rated: Ratings, items: int) -> dict[str, np.ndarray]:
    """Each user's last film for testing, the last but one for validation, the others in random groups for training.

    Of films rated in the same second, chance says which was last: by their numbers it would be the lesser known one.
    """
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(rated.users)), rated.times, rated.users))
    users, films = rated.users[order], rated.items[order]
    rows: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {part: [] for part in ("train", "val", "test")}
    for user in np.unique(users):
        watched = films[users == user]  # in order of time
        never = np.setdiff1d(np.arange(items), watched)
        for part, film in (("test", watched[-1]), ("val", watched[-2])):
            # Shuffled: where the scores of a model are all the same, the right place must not be the first.
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
