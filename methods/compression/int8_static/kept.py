"""Chooses the layers to leave in float32, for any tool that quantises."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext


def within(context: CompressionContext, reference: float, tolerance: float) -> Callable[[float], bool]:
    """Return a test: is a quality worse than `reference` by no more than this share of it?"""
    sign = 1 if context.task.quality.higher_is_better else -1
    return lambda quality: sign * (reference - quality) <= tolerance * abs(reference)


def fewest(worst_first: Sequence[str], enough: Callable[[Sequence[str]], bool]) -> Sequence[str]:
    """Return the shortest beginning of a list that is enough, by doubling and then halving.

    Raises:
        CellFailure: `unsupported`, where only the whole list would be enough.
    """
    tried, number = 0, 1
    while number < len(worst_first) and not enough(worst_first[:number]):
        tried, number = number, 2 * number
    between = range(tried + 1, min(number, len(worst_first)))
    number = tried + 1 + bisect_left(between, True, key=lambda n: enough(worst_first[:n]))
    if number >= len(worst_first):
        raise CellFailure(
            "unsupported", "no layer may be in 8 bits at this tolerance: raise it or leave the method out"
        )
    return worst_first[:number]
