"""The statistics of the measurement protocol, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from breakeven.protocol import CONFIDENCE, DRAWS, SEED

ANGLES = 65  # at which its distribution is tabulated
Values = NDArray[np.float64]


def percentile_estimate(latencies: np.ndarray, percentile: float) -> float | None:
    """MLPerf's early-stopping estimate of a latency percentile, or None where the calls are too few for it.

    The estimate is the t-th largest latency for the largest t with P(Binomial(n, 1 − p) ≤ t) ≤ 1 − CONFIDENCE
    (`inference_rules.adoc`, appendix on early stopping): an upper bound that approaches the percentile as n grows.

    Args:
        latencies: any unit, one per call.
        percentile: in 0..1.
    """
    n = len(latencies)
    over = np.arange(1, n)
    supported = over[stats.binom.cdf(over, n, 1 - percentile) <= 1 - CONFIDENCE]
    return float(np.sort(latencies)[-supported[-1]]) if supported.size else None


def calls_needed(percentile: float) -> int:
    """The fewest calls for which `percentile_estimate` is not None."""
    n = 2
    while stats.binom.cdf(1, n, 1 - percentile) > 1 - CONFIDENCE:
        n += 1
    return n


def ratio_interval(ratios: Sequence[float]) -> tuple[float, float | None, float | None, float | None]:
    """The geometric mean of ratios from independent processes, its 95 % interval, and their spread (CV).

    The interval is Student's on the logarithms; with one process there is none.
    """
    logs = np.log(ratios)
    mean = float(np.exp(logs.mean()))
    if len(logs) < 2:
        return mean, None, None, None
    half = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs)
    return (
        mean,
        float(mean * np.exp(-half)),
        float(mean * np.exp(half)),
        float(stats.variation(ratios, ddof=1)),
    )


def kept_interval(
    resampled: Sequence[float], reference: Sequence[float], higher_is_better: bool
) -> tuple[float | None, float | None]:
    """95 % interval of the share of the reference's quality that is left; error metrics are inverted first.

    Args:
        resampled, reference: quality of the cell and of its reference on the same resampled test sets, one by one.
    """
    if not len(resampled) or len(resampled) != len(reference):
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.divide(resampled, reference) if higher_is_better else np.divide(reference, resampled)
    low, high = np.quantile(kept[~np.isnan(kept)], [0.025, 0.975])
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of values from independent processes and its 95 % interval, Student's."""
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(np.mean(values)), float(interval.low), float(interval.high)


def standard_error(low: Values, high: Values, n: Values) -> Values:
    """The standard error of a logarithm, from the interval that `ratio_interval` gave it; NaN where there is none."""
    counts, which = np.unique(n, return_inverse=True)  # a quantile is slow to find, and the counts are few
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(high / low) / 2 / stats.t.ppf(0.975, counts - 1)[which]


def margin(error_a: Values, n_a: Values, error_b: Values, n_b: Values) -> Values:
    """Half the width of the 95 % interval of the difference of two logarithms of paired ratios; NaN where unknown.

    It is a bootstrap of DRAWS seeded draws in which each logarithm's mean is drawn anew from Student's t. Drawing
    from the few processes themselves would promise too much: of three values a bootstrap covers the truth only three
    times in four. The distribution's shape depends on the numbers of processes and on which error is the larger one
    alone, so it is drawn once for each and scaled.

    Args:
        error_a, error_b: standard errors of the two logarithms.
        n_a, n_b: processes behind each, at least 2.
    """
    size, angle = np.hypot(error_a, error_b), np.arctan2(error_b, error_a)
    known = np.isfinite(size)
    pairs, which = np.unique(n_a[known] + 1j * n_b[known], return_inverse=True)  # a pair as one number
    shapes = np.array([_student_difference(int(pair.real), int(pair.imag)) for pair in pairs]).reshape(-1, ANGLES)
    at = angle[known] / (np.pi / 2) * (ANGLES - 1)
    below = np.minimum(at.astype(int), ANGLES - 2)
    left, right = shapes[which, below], shapes[which, below + 1]
    found = np.full(size.shape, np.nan)
    found[known] = size[known] * (left + (at - below) * (right - left))
    return found


@cache
def _student_difference(n_a: int, n_b: int) -> Values:
    """The .975 quantile of cos·A - sin·B, A and B Student's t of n - 1 degrees of freedom, at ANGLES from 0 to 90°.

    The draws are spread evenly over each distribution, and used both ways round, so that alone they give Student's
    own quantile, and that it does not matter which of the two is named first.
    """
    rng = np.random.default_rng(SEED)
    even = (np.arange(DRAWS) + 0.5) / DRAWS
    drawn = np.concatenate([rng.permutation(even), rng.permutation(even)])
    a, b = stats.t.ppf(drawn, n_a - 1), stats.t.ppf(np.roll(drawn, DRAWS), n_b - 1)
    angle = np.linspace(0, np.pi / 2, ANGLES)[:, None]
    return np.quantile(np.abs(np.cos(angle) * a - np.sin(angle) * b), 0.95, axis=1)  # symmetric: one quantile for both


def median_or_none(values: Sequence[float | None]) -> float | None:
    """The median, or None where any value is missing."""
    return None if not values or any(v is None for v in values) else float(np.median(values))  # type: ignore[arg-type]
