"""Statistics of the measurement protocol, as pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from breakeven.protocol import CONFIDENCE

TINY = float(np.finfo(float).tiny)  # keeps two errors of zero from dividing zero by zero, and changes no other sum
QUADRATURE, STEPS = 40, 20  # points and iterations that give a quantile to ten digits
Values = NDArray[np.float64]
Number = TypeVar("Number", float, Values)


def percentile_estimate(latencies: np.ndarray, percentile: float) -> float | None:
    """MLPerf's early-stopping estimate of a latency percentile, or None where the calls are too few for it.

    The estimate is the t-th largest latency for the largest t with P(Binomial(n, 1 − p) ≤ t) ≤ 1 − CONFIDENCE
    (`inference_rules.adoc`, appendix on early stopping): an upper bound that approaches the percentile as n grows.

    Args:
        latencies: any unit, one per call.
        percentile: in 0..1.
    """
    from scipy import stats  # for measuring only: a light install reads boards without it

    n = len(latencies)
    over = np.arange(1, n)
    supported = over[stats.binom.cdf(over, n, 1 - percentile) <= 1 - CONFIDENCE]
    return float(np.sort(latencies)[-supported[-1]]) if supported.size else None


def calls_needed(percentile: float) -> int:
    """The fewest calls for which `percentile_estimate` is not None."""
    n = 2
    while percentile**n + n * (1 - percentile) * percentile ** (n - 1) > 1 - CONFIDENCE:  # P(Binomial(n, 1 − p) ≤ 1)
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
    half = _half_width(logs)
    spread = float(np.std(ratios, ddof=1) / np.mean(ratios))
    return mean, float(mean * np.exp(-half)), float(mean * np.exp(half)), spread


def kept_interval(
    resampled: Sequence[float], reference: Sequence[float], higher_is_better: bool
) -> tuple[float | None, float | None]:
    """The 95 % interval of the share of the reference's quality that is kept; error metrics are inverted first.

    Args:
        resampled, reference: qualities of the cell and of its reference on the same resampled test sets, in the same
            order.
    """
    if not len(resampled) or len(resampled) != len(reference):
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.divide(resampled, reference) if higher_is_better else np.divide(reference, resampled)
    low, high = np.quantile(kept[~np.isnan(kept)], [0.025, 0.975])
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of values from independent processes and its 95 % interval, Student's."""
    mean, half = float(np.mean(values)), _half_width(values)
    return mean, mean - half, mean + half


def _half_width(values: Sequence[float] | Values) -> float:
    """Half the width of Student's 95 % interval of a mean."""
    return float(_student(len(values)) * np.std(values, ddof=1) / math.sqrt(len(values)))


def student(n: Values) -> Values:
    """Student's t at 97.5 % for means of `n` values, which bound their 95 % intervals; NaN below two values."""
    counts, which = np.unique(n, return_inverse=True)  # a quantile takes long, and the counts are few
    return np.array([_student(count) for count in counts.tolist()])[which]


@cache
def _student(n: float) -> float:
    """Student's t at 97.5 % for a mean of `n` values, as `scipy.stats.t.ppf(0.975, n - 1)` gives it.

    It is the only function of scipy that boards need, and scipy would be a quarter of a light install. With
    t = √(n − 1) · tan(angle), the probability within ±t is the share of cosⁿ⁻²'s integral up to 90° that lies below the
    angle. Newton's method finds the angle, and Gauss's quadrature the integral.
    """
    if not n >= 2:
        return math.nan
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    whole = math.sqrt(math.pi) / 2 * math.exp(math.lgamma((n - 1) / 2) - math.lgamma(n / 2))
    angle = 0.0
    for _ in range(STEPS):
        below = angle / 2 * float(weights @ np.cos(angle / 2 * (1 + nodes)) ** (n - 2))
        angle += (0.95 * whole - below) / math.cos(angle) ** (n - 2)
    return math.sqrt(n - 1) * math.tan(angle)


def standard_error(low: Values, high: Values, n: Values) -> Values:
    """The standard error of a logarithm, from the interval that `ratio_interval` gave it; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(high / low) / 2 / student(n)


def margin(error_a: Number, t_a: Number, error_b: Number, t_b: Number) -> Number:
    """Half the width of the 95 % interval of a difference of two log-means with unequal errors; NaN where unknown.

    The formula is Cochran's (Cochran and Cox 1950, Experimental Designs, section 4.14): the mean of the two quantiles,
    weighted by the squared errors. Beside a mean without an error it gives Student's interval of the other one. With
    three to seven processes it covers the truth in at least 95 % of the cases. The Welch-Satterthwaite interval is
    narrower, but covers only 93 % where three processes stand beside seven (benchmarks/coverage.py).

    Args:
        error_a, error_b: standard errors of the two logarithms.
        t_a, t_b: the quantile of each, see `student`.
    """
    variance_a, variance_b = error_a**2, error_b**2
    return (t_a * variance_a + t_b * variance_b) / (variance_a + variance_b + TINY) ** 0.5


def median_or_none(values: Sequence[float | None]) -> float | None:
    """The median, or None where any value is missing."""
    return None if not values or any(v is None for v in values) else float(np.median(values))  # type: ignore[arg-type]
