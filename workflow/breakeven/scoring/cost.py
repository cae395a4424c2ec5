"""The cost of compressing and serving a model, and the break-even point (docs/cost.md).

Pure functions on scalars or NumPy arrays that broadcast together. A `price` is the cost of an hour of the hardware.
Prices in US$ give results in US$, a price of 1 gives device-hours, and a price in watts gives watt-hours. Unknown
inputs are NaN and make the result NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SECONDS_PER_HOUR = 3600.0
DEVICE_HOURS = 1.0  # the price that makes a cost a number of device-hours
Values = NDArray[np.float64]


def work(seconds: ArrayLike, price: ArrayLike = DEVICE_HOURS) -> Values:
    """The cost of `seconds` [s] of work on hardware at `price` [unit/h]."""
    return _values(seconds) / SECONDS_PER_HOUR * _values(price)


def inference_seconds(scenario: ArrayLike, latency_mean_ms: ArrayLike, throughput: ArrayLike) -> Values:
    """The time for which one inference occupies the hardware [s].

    Args:
        scenario: `single_stream` (the time is the mean latency) or `offline` (it is 1 / throughput).
        latency_mean_ms: mean latency of a call with one sample [ms].
        throughput: [samples/s].
    """
    with np.errstate(divide="ignore"):
        alone, batched = _values(latency_mean_ms) / 1000, 1 / _values(throughput)
    return np.where(np.asarray(scenario) == "offline", batched, alone)


def per_million(one: ArrayLike) -> Values:
    """The cost of a million inferences, from the cost of one."""
    return _values(one) * 1e6


def original_total(n: ArrayLike, served: ArrayLike, training: ArrayLike, c_0: ArrayLike) -> Values:
    """The total cost after `n` further inferences where the original serves all of them.

    Args:
        n: inferences after the decision.
        served: N0, inferences that the original served before the decision.
        training: cost of training the original.
        c_0: cost of one inference by the original.
    """
    return _values(training) + (_values(served) + _values(n)) * _values(c_0)


def compressed_total(
    n: ArrayLike,
    served: ArrayLike,
    training: ArrayLike,
    c_0: ArrayLike,
    compressing: ArrayLike,
    c_comp: ArrayLike,
) -> Values:
    """The total cost after `n` further inferences where the compressed model serves them.

    Args:
        n, served, training, c_0: as in `original_total`.
        compressing: cost of making the compressed model from the trained one.
        c_comp: cost of one inference by the compressed model.
    """
    before = original_total(0, served, training, c_0)
    return before + _values(compressing) + _values(n) * _values(c_comp)


def break_even(compressing: ArrayLike, c_0: ArrayLike, c_comp: ArrayLike) -> Values:
    """N*, the number of inferences after which compressing has paid for its own work.

    N* = compressing / (c_0 - c_comp), and infinite ('never') where c_comp ≥ c_0. The original's training and the
    inferences that it served before do not enter: their cost is the same either way. NaN where an input is unknown.
    """
    compressing, saved = np.broadcast_arrays(_values(compressing), _values(c_0) - _values(c_comp))
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = compressing / saved
    unknown = np.isnan(compressing) | np.isnan(saved)
    return np.where(unknown, np.nan, np.where(saved > 0, paid, np.inf))


def _values(values: ArrayLike) -> Values:
    return np.asarray(values, dtype=np.float64)
