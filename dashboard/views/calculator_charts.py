"""The calculator's two charts: total cost, and cost relative to the original, against the number of inferences."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from views import charts

from breakeven import protocol
from breakeven.scoring import ratios
from breakeven.scoring.cheapest import UNITS, Demand
from breakeven.scoring.wording import inferences, span

POINTS = 120  # per line
NEEDED = ["chain", "eligible", "sunk", "making", "c", "c_0", *ratios.BREAK_EVENS]


def show(costs: pd.DataFrame, demand: Demand, inference: pd.DataFrame) -> None:
    """Show both charts: a line per method, with N* marked on it."""
    lines, marks = curves(costs, demand)
    x = alt.X("n:Q", title="Inferences from now on", scale=alt.Scale(type="log", nice=False))
    x = x.axis(format="~s", values=charts.ticks(lines["n"].min(), lines["n"].max()))
    y = alt.Y("total:Q", title=f"Total cost [{UNITS[demand.unit]}]", scale=alt.Scale(type="log", nice=False))
    y = y.axis(format=".6~g", values=charts.ticks(lines["total"].min(), lines["total"].max()))
    top = float(np.clip(lines["relative"].max(), 1.2, 2.0))
    relative = alt.Y("relative:Q", title="Cost relative to the original", scale=alt.Scale(domain=[0, top]))
    for place, axis in zip(st.columns(2), (y, relative.axis(format="%")), strict=True):
        name = axis.shorthand.partition(":")[0]
        place.altair_chart(chart(lines, marks, demand, x, axis, inference), width="stretch", key=name)
    st.caption(
        "A point marks N*, where a method's line meets the original's (dashed, grey). Its bar is the 95 % interval. A"
        " bar that leaves the chart includes 'never'. Where no bar shows, the interval is narrower than the point. The"
        " vertical line marks the chosen number of inferences. Pale lines may not be chosen. Costs already spent are"
        " the same for every line and do not move N*."
    )
    never = costs[np.isinf(costs["break_even"].astype(float))]["chain"]
    if len(never):
        st.caption(f"Without a mark, because the method never pays off: {', '.join(never)}.")


def curves(costs: pd.DataFrame, demand: Demand) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points of the lines and the marks at N*: `n`, `total`, `relative`, and the interval of N*."""
    costs = costs[NEEDED].astype({name: float for name in NEEDED[2:]})
    finite = costs[np.isfinite(costs["break_even"]) & (costs["break_even"] > 0)]
    known = [*finite["break_even"], demand.inferences]
    numbers = np.geomspace(max(1.0, min(known) / 20), max(known) * 20, POINTS)
    lines = costs.merge(pd.DataFrame({"n": numbers}), how="cross")
    marks = finite.assign(n=finite["break_even"])
    for frame in (lines, marks):
        frame["total"] = frame["sunk"] + frame["making"] + frame["n"] * frame["c"]
        frame["relative"] = frame["total"] / (frame["sunk"] + frame["n"] * frame["c_0"])
        frame["n_star"] = frame["break_even"].map(inferences)
        ends = zip(frame["break_even_low"], frame["break_even_high"], strict=True)
        frame["interval"] = [span(low, high, inferences) for low, high in ends]
    marks["low"] = marks["break_even_low"].clip(lower=numbers[0])
    marks["high"] = marks["break_even_high"].clip(upper=numbers[-1])
    return lines[lines["total"] > 0], marks


def chart(
    lines: pd.DataFrame, marks: pd.DataFrame, demand: Demand, x: alt.X, y: alt.Y, inference: pd.DataFrame
) -> alt.LayerChart:
    """Return the chart of lines with marks at N*, and a rule at the chosen number of inferences."""
    tooltip = [
        alt.Tooltip("chain:N", title="Method"),
        alt.Tooltip("n:Q", title="Inferences", format=".3~s"),
        alt.Tooltip("total:Q", title=f"Total [{UNITS[demand.unit]}]", format=".4~g"),
        alt.Tooltip("relative:Q", title="Share of the original's cost", format=".1%"),
        alt.Tooltip("n_star:N", title="N*"),
        alt.Tooltip("interval:N", title="N*, 95 % interval"),
    ]
    base = {"x": x, "y": y, "color": charts.colours(inference), "tooltip": tooltip}
    dashed = alt.condition(f"datum.chain == '{protocol.REFERENCE}'", alt.value([6, 4]), alt.value([1, 0]))
    pale = alt.condition("datum.eligible", alt.value(1), alt.value(0.45))
    line = alt.Chart(lines).mark_line(strokeWidth=2, clip=True).encode(**base, strokeDash=dashed, opacity=pale)
    at = alt.Chart(marks)
    point = at.mark_point(size=80, filled=True, stroke="white", strokeWidth=1).encode(**base)
    whisker = at.mark_rule(strokeWidth=3, opacity=0.5, clip=True).encode(
        x=alt.X("low:Q"), x2="high:Q", y=y, color=base["color"]
    )
    chosen = alt.Chart(pd.DataFrame({"n": [demand.inferences]})).mark_rule(strokeDash=[3, 3], color=charts.GREY)
    return charts.layered(400, chosen.encode(x="n:Q"), line, whisker, point)
