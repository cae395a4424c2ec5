"""The statistics of the measurement protocol, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.99  # of the early-stopping bound, as in MLPerf Inference


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


def median_or_none(values: Sequence[float | None]) -> float | None:
    """The median, or None where any value is missing."""
    return None if not values or any(v is None for v in values) else float(np.median(values))  # type: ignore[arg-type]
