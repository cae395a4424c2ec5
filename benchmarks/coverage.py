"""Coverage of two 95 % intervals of a difference of two means: Welch-Satterthwaite's, and `statistics.margin`'s.

Both are applied to the same simulated processes: normal values, as many processes as the modes take, and the second
mean's processes up to ten times as noisy as the first one's, or as quiet. A coverage below 95 % means that rows of
equal speed are told apart more often than promised.
"""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from breakeven.protocol import MODES
from breakeven.statistics import margin, student

TRIALS = 200_000  # chance moves a coverage by 0.1 percentage points
NOISE = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # standard deviation of the second mean's processes over the first one's


def coverages(n_a: int, n_b: int, noise: float, rng: np.random.Generator) -> tuple[np.floating, np.floating]:
    """The share of trials in which each interval covers the true difference, 0: Welch's, then ours."""
    a, b = rng.normal(0, 1, (TRIALS, n_a)), rng.normal(0, noise, (TRIALS, n_b))
    low, high = stats.ttest_ind(a, b, axis=1, equal_var=False).confidence_interval(0.95)
    difference = np.abs(a.mean(axis=1) - b.mean(axis=1))
    t_a, t_b = student(np.array([n_a, n_b]))
    ours: NDArray[np.float64] = margin(stats.sem(a, axis=1), t_a, stats.sem(b, axis=1), t_b)
    return np.mean((low <= 0) & (high >= 0)), np.mean(difference <= ours)


def main() -> None:
    rng = np.random.default_rng(0)
    for n_a, n_b in combinations_with_replacement(sorted({mode.pairs for mode in MODES.values()}), 2):
        found = [coverages(n_a, n_b, noise, rng) for noise in NOISE]
        for name, covered in zip(("Welch-Satterthwaite", "statistics.margin"), zip(*found, strict=True), strict=True):
            print(f"{n_a} and {n_b} processes, {name}: {100 * min(covered):.1f} to {100 * max(covered):.1f} %")


if __name__ == "__main__":
    main()
