"""What the charts share: colours, shapes, a legend, ticks, units, and the intervals of costs."""

from __future__ import annotations

import math
from html import escape

import altair as alt
import pandas as pd
import streamlit as st

from breakeven import protocol
from breakeven.scoring import ratios

GREY = "#8a94a0"  # the reference, which the others are compared with, and what is not a row
PALETTE = st.get_option("theme.chartCategoricalColors") or []
# Drawn as SVG, a chart stays sharp and its points have names that a screen reader can say.
SVG = {"embedOptions": {"renderer": "svg"}}
SHAPES = [("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚")]
UNITS = {"bytes": (1e6, "MB"), "J": (1e-3, "mJ"), "FLOP": (1e6, "MFLOP")}  # recorded: (divided by, shown)


def scaled(cost: ratios.Cost) -> tuple[float, str]:
    """What a cost is divided by to be shown, and the unit that it has then."""
    return UNITS.get(cost.unit, (1.0, cost.unit))


def title(cost: ratios.Cost) -> str:
    """A cost with the unit that it is shown in."""
    return f"{cost.label} [{scaled(cost)[1]}]"


def ends(rows: pd.DataFrame, cost: ratios.Cost) -> tuple[pd.Series, pd.Series]:
    """The 95 % interval of a paired cost: its value, moved as far as the ends of its ratio lie from the ratio.

    NaN for a cost that has none, and for the reference, whose ratio is 1 by definition.
    """
    value, ratio = rows[cost.column].astype(float), rows[cost.ratio].astype(float)
    if cost.interval is None:
        return value * math.nan, value * math.nan
    worse, better = (rows[name].astype(float) / ratio for name in cost.interval)
    known = worse.ne(better)
    up = cost.column == "throughput_samples_per_s"  # the only one that is better higher
    low, high = (value * worse, value * better) if up else (value / better, value / worse)
    return low.where(known), high.where(known)


def palette(inference: pd.DataFrame) -> dict[str, str]:
    """One colour per method, the same on every page because it is drawn from all rows; the reference is grey."""
    methods = sorted(set(inference["chain"]) - {protocol.REFERENCE})
    colours = {method: PALETTE[i % len(PALETTE)] for i, method in enumerate(methods)}
    return {protocol.REFERENCE: GREY} | colours


def colours(inference: pd.DataFrame) -> alt.Color:
    """The colour channel of a chart; its legend is drawn by `legend`, which wraps where Vega's would be cut off."""
    found = palette(inference)
    return alt.Color("chain:N", legend=None, scale=alt.Scale(domain=list(found), range=list(found.values())))


def runtimes(inference: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """A shape of points per runtime: Vega's name and a character."""
    return dict(zip(sorted(set(inference["runtime"])), SHAPES * len(inference), strict=False))


def legend(inference: pd.DataFrame, rows: pd.DataFrame, with_runtimes: bool = False) -> None:
    """The methods of the rows with their colours, and where wanted the runtimes with their shapes."""
    present = {method: colour for method, colour in palette(inference).items() if method in set(rows["chain"])}
    items = [f"<span style='color:{colour}'>⬤</span> {escape(method)}" for method, colour in present.items()]
    if with_runtimes:
        shapes = runtimes(inference)
        items += [f"<span style='opacity:.6'>{shapes[r][1]} {escape(r)}</span>" for r in sorted(set(rows["runtime"]))]
    swatches(items)


def swatches(items: list[str]) -> None:
    """A legend's items, as HTML, side by side as far as there is room."""
    spans = "".join(f"<span>{item}</span>" for item in items)
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;font-size:.85rem'>{spans}</div>")


def names(field: str, order: list[str]) -> alt.Y:
    """The axis of methods; a long chain is broken at its pluses."""
    broken = "split(replace(datum.label, /\\+/g, '\\n+'), '\\n')"
    axis = alt.Axis(labelLimit=200, minExtent=90, labelOverlap=False, labelLineHeight=11, labelExpr=broken)
    return alt.Y(field, title=None, sort=order, axis=axis)


def ticks(low: float, high: float) -> list[float]:
    """Round values for a logarithmic axis: powers of ten, with 2 and 5 between where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1,) if len(powers) > 4 else (1, 2, 5)
    every = max(1, len(powers) // 9)
    return [digit * 10.0**power for power in powers if power % every == 0 for digit in digits]
