"""Shared parts of the charts: colours, shapes, a legend, ticks, units, and the intervals of costs."""

from __future__ import annotations

import math
import tomllib
from html import escape
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from breakeven import protocol
from breakeven.scoring import ratios

GREY = "#8a94a0"  # of the reference, and of marks that are no row's
THEME = Path(__file__).parents[1] / ".streamlit" / "config.toml"  # found wherever the dashboard is started
PALETTE: list[str] = tomllib.loads(THEME.read_text())["theme"]["chartCategoricalColors"]
# A chart drawn as SVG stays sharp, and a screen reader can say the names of its points.
SVG = {"embedOptions": {"renderer": "svg"}}
SHAPES = [("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚")]
UNITS = {"bytes": (1e6, "MB"), "J": (1e-3, "mJ"), "FLOP": (1e6, "MFLOP")}  # recorded unit: (divisor, shown unit)


def scaled(cost: ratios.Cost) -> tuple[float, str]:
    """Return the divisor from a cost's recorded unit to the shown one, and the shown unit."""
    return UNITS.get(cost.unit, (1.0, cost.unit))


def title(cost: ratios.Cost) -> str:
    """Return a cost's label with its shown unit."""
    return f"{cost.label} [{scaled(cost)[1]}]"


def ends(rows: pd.DataFrame, cost: ratios.Cost) -> tuple[pd.Series, pd.Series]:
    """Return the 95 % interval of a paired cost: its value, scaled as the ends of its ratio lie from the ratio.

    NaN for a cost without an interval, and for the reference, whose ratio is 1 by definition.
    """
    value, ratio = rows[cost.column].astype(float), rows[cost.ratio].astype(float)
    if cost.interval is None:
        return value * math.nan, value * math.nan
    worse, better = (rows[name].astype(float) / ratio for name in cost.interval)
    known = worse.ne(better)
    up = cost.column == "throughput_samples_per_s"  # the only cost of which more is better
    low, high = (value * worse, value * better) if up else (value / better, value / worse)
    return low.where(known), high.where(known)


def palette(inference: pd.DataFrame) -> dict[str, str]:
    """Return a colour per method, the same on every page because all rows decide it. The reference is grey."""
    methods = sorted(set(inference["chain"]) - {protocol.REFERENCE})
    colours = {method: PALETTE[i % len(PALETTE)] for i, method in enumerate(methods)}
    return {protocol.REFERENCE: GREY} | colours


def colours(inference: pd.DataFrame) -> alt.Color:
    """Return the colour channel of a chart. `legend` draws its legend, which wraps; Vega's own would be cut off."""
    found = palette(inference)
    return alt.Color("chain:N", legend=None, scale=alt.Scale(domain=list(found), range=list(found.values())))


def runtimes(inference: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the shape of points per runtime: Vega's name and a character."""
    return dict(zip(sorted(set(inference["runtime"])), SHAPES * len(inference), strict=False))


def legend(inference: pd.DataFrame, rows: pd.DataFrame, with_runtimes: bool = False) -> None:
    """Show the legend: the rows' methods with their colours, and on request the runtimes with their shapes."""
    present = {method: colour for method, colour in palette(inference).items() if method in set(rows["chain"])}
    items = [f"<span style='color:{colour}'>⬤</span> {escape(method)}" for method, colour in present.items()]
    if with_runtimes:
        shapes = runtimes(inference)
        items += [f"<span style='opacity:.6'>{shapes[r][1]} {escape(r)}</span>" for r in sorted(set(rows["runtime"]))]
    swatches(items)


def swatches(items: list[str]) -> None:
    """Show the items of a legend, given as HTML, side by side; they wrap."""
    spans = "".join(f"<span>{item}</span>" for item in items)
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;font-size:.85rem'>{spans}</div>")


def layered(height: float, *layers: alt.Chart) -> alt.LayerChart:
    """Return charts laid over each other, the first one at the bottom."""
    return alt.LayerChart(layer=list(layers)).properties(height=height, usermeta=SVG)


def names(field: str, order: list[str]) -> alt.Y:
    """Return the axis of methods; a long chain wraps at its plus signs."""
    broken = "split(replace(datum.label, /\\+/g, '\\n+'), '\\n')"
    axis = alt.Axis(labelLimit=200, minExtent=90, labelOverlap=False, labelLineHeight=11, labelExpr=broken)
    return alt.Y(field, title=None, sort=order, axis=axis)


def ticks(low: float, high: float) -> list[float]:
    """Return round values for a logarithmic axis: powers of ten, and twice and five times these where they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1,) if len(powers) > 4 else (1, 2, 5)
    every = max(1, len(powers) // 9)
    return [digit * 10.0**power for power in powers if power % every == 0 for digit in digits]
