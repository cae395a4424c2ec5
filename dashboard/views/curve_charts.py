"""The charts of curves: quality kept, theoretical speed-up and measured speed-up against the compression ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import altair as alt
import pandas as pd
import streamlit as st
from views import charts, shared
from views.charts import PALETTE

from breakeven import protocol
from breakeven.scoring import ratios
from breakeven.scoring.curves import Curve
from breakeven.scoring.wording import span, times

MEASURED, THEORY = "measured", "by arithmetic"
HEIGHT = 360  # px
DASHES = alt.Scale(domain=[MEASURED, THEORY], range=[[1, 0], [5, 4]])


@dataclass(frozen=True)
class Amount:
    """A unit in which compression is counted, as a ratio to the reference."""

    label: str
    column: str
    title: str


AMOUNTS = {
    "parameters": Amount("Parameters", "compression_ratio", "Compression ratio (nonzero parameters)"),
    "disk": Amount("Bytes", "size_ratio", "Compression ratio (bytes)"),
    "packed": Amount("Bytes, packed", "packed_ratio", "Compression ratio (packed bytes)"),
    "arithmetic": Amount("FLOPs", "theoretical_speedup", "Theoretical speed-up (FLOPs)"),
}


@dataclass(frozen=True)
class Baseline:
    """The model that speed-ups are relative to."""

    label: str
    column: str
    interval: tuple[str, str]


BASELINES = {
    "runtime": Baseline("fp32 in its runtime", "compression_speedup", ratios.COMPRESSION_INTERVAL),
    "eager": Baseline("fp32 in eager", "speedup", ratios.SPEEDUP_INTERVAL),
}


def colours(curves: list[Curve]) -> dict[str, str]:
    """Return a colour per curve."""
    names = sorted({curve.chain for curve in curves})
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def choose(page: str) -> tuple[Amount, Baseline]:
    """Show controls for the horizontal axis and for the baseline of speed-ups; return both."""
    left, right = st.columns(2)
    amount = left.segmented_control(
        "Compression counted in",
        list(AMOUNTS),
        default="parameters",
        format_func=lambda name: AMOUNTS[name].label,
        required=True,
        key=f"{page}_amount",
    )
    baseline = right.segmented_control(
        "Speed-up over",
        list(BASELINES),
        default="runtime",
        format_func=lambda name: BASELINES[name].label,
        required=True,
        key=f"{page}_baseline",
        help="The first choice leaves out the speed-up that the runtime gives by itself. In eager torch both are the"
        " same.",
    )
    return AMOUNTS[amount], BASELINES[baseline]


def show(curves: list[Curve], amount: Amount, baseline: Baseline, palette: dict[str, str], page: str) -> None:
    """Show both charts side by side, below a legend, for curves of one board."""
    points = prepared(curves, amount, baseline)
    drawn = points.dropna(subset="x")
    if drawn["quality_ratio"].notna().sum() == 0:
        st.info(f"No point of these curves has a figure for '{amount.label}': choose another axis.")
        return
    names = [name for name in palette if name in set(drawn["curve"])]
    legend(names, palette)
    colour = alt.Color("curve:N", legend=None, scale=alt.Scale(domain=names, range=[palette[name] for name in names]))
    left, right = st.columns(2)
    with left:
        st.altair_chart(quality_chart(drawn, amount, colour), width="stretch", key=f"{page}_quality")
    with right:
        st.altair_chart(speed_chart(drawn, amount, baseline, colour), width="stretch", key=f"{page}_speed")
    st.caption(
        "Each curve starts at the uncompressed model in the same runtime. Solid: measured, with the 95 % interval."
        " Dashed with hollow points: the theoretical speed-up, by arithmetic. Grey dashes: the quality gate on the"
        " left, the speed of fp32 on the right. Where no bar shows, the interval is narrower than the point."
    )
    if upright := [name for name in names if drawn.loc[drawn["curve"] == name, "x"].round(2).nunique() == 1]:
        st.caption(
            f"Upright, because the points do not differ in {amount.label}: {shared.plain('; '.join(upright))}. Count"
            " compression in another unit, such as packed bytes."
        )


def legend(names: list[str], palette: dict[str, str]) -> None:
    """Show the legend: the curves with their colours, and the two kinds of lines."""
    items = [f"<span style='color:{palette[name]}'>⬤</span> {escape(name)}" for name in names]
    kinds = [f"<span style='opacity:.6'>{line} {kind}</span>" for line, kind in (("──●", MEASURED), ("╌╌○", THEORY))]
    charts.swatches([*items, *kinds])


def prepared(curves: list[Curve], amount: Amount, baseline: Baseline) -> pd.DataFrame:
    """Return the points of the curves, origins first, with `x`, `curve`, `label` and the drawn figures."""
    frames = []
    for curve in curves:
        rows = curve.rows.assign(label=[f"{curve.parameter} = {value}" for value in curve.rows["value"]])
        if curve.origin is not None:
            origin = curve.origin.to_frame().T.assign(value=None, label="uncompressed")
            rows = pd.concat([origin, rows.astype(object)])
        frames.append(rows.assign(curve=curve.chain))
    points = pd.concat(frames, ignore_index=True)
    low, high = baseline.interval
    numbers = {"x": amount.column, "gain": baseline.column, "low": low, "high": high}
    numbers |= {n: n for n in ("quality_ratio", "quality_kept_ci_low", "quality_kept_ci_high", "theoretical_speedup")}
    drawn = pd.DataFrame({name: points[column].astype(float) for name, column in numbers.items()})
    drawn = drawn.join(points[["curve", "label", "chain"]])
    drawn["interval"] = [span(*ends, times) for ends in zip(drawn["low"], drawn["high"], strict=True)]
    return drawn.sort_values(["curve", "x"], kind="stable")


def axis(points: pd.DataFrame, amount: Amount) -> alt.X:
    """Return the horizontal axis, marked at powers of two."""
    ends = min(1.0, points["x"].min()), max(2.0, points["x"].max())
    scale = alt.Scale(type="log", base=2, domain=ends, nice=False, padding=14)
    return alt.X("x:Q", title=amount.title, scale=scale, axis=alt.Axis(values=doublings(*ends), format=".6~g"))


def doublings(low: float, high: float) -> list[float]:
    """Return the powers of two between two values, and those just outside."""
    return [2.0**power for power in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]


def quality_chart(points: pd.DataFrame, amount: Amount, colour: alt.Color) -> alt.LayerChart:
    """Return the chart of the quality kept, with its interval."""
    points = points.dropna(subset="quality_ratio")
    y = alt.Y("quality_ratio:Q", title="Quality kept", scale=alt.Scale(zero=False, padding=10)).axis(format=".5~p")
    tooltip = [
        *tips(amount),
        alt.Tooltip("quality_ratio:Q", title="Quality kept", format=".2%"),
        alt.Tooltip("quality_kept_ci_low:Q", title="from", format=".2%"),
        alt.Tooltip("quality_kept_ci_high:Q", title="to", format=".2%"),
    ]
    base = alt.Chart(points).encode(x=axis(points, amount), color=colour)
    line = base.mark_line(strokeWidth=2).encode(y=y)
    whisker = base.transform_filter("isValid(datum.quality_kept_ci_low)").mark_rule(strokeWidth=1.5, opacity=0.6)
    ends = {"y": alt.Y("quality_kept_ci_low:Q", title="Quality kept"), "y2": "quality_kept_ci_high:Q"}
    point = base.mark_point(size=70, filled=True, opacity=1).encode(y=y, tooltip=tooltip)
    gate = alt.Chart(pd.DataFrame({"gate": [protocol.GATE]})).mark_rule(strokeDash=[5, 4], color=charts.GREY)
    return charts.layered(HEIGHT, gate.encode(y="gate:Q"), line, whisker.encode(**ends), point)


def speed_chart(points: pd.DataFrame, amount: Amount, baseline: Baseline, colour: alt.Color) -> alt.LayerChart:
    """Return the chart of measured speed-ups with their intervals, and of theoretical speed-ups."""
    kinds = [(MEASURED, "gain", "low", "high"), (THEORY, "theoretical_speedup", None, None)]
    lines = pd.concat(
        [
            points.assign(kind=kind, y=points[value], y_low=points[low] if low else math.nan,
                          y_high=points[high] if high else math.nan)
            for kind, value, low, high in kinds
        ]
    ).dropna(subset="y")  # fmt: skip
    heading = f"Speed-up × over {baseline.label}"
    found = lines[["y", "y_low", "y_high"]]
    ends = min(1.0, found.min(axis=None)), max(2.0, found.max(axis=None))
    scale = alt.Scale(type="log", base=2, domain=ends, nice=False, padding=10)
    y = alt.Y("y:Q", title=heading, scale=scale, axis=alt.Axis(values=doublings(*ends), format=".6~g"))
    tooltip = [
        *tips(amount),
        alt.Tooltip("kind:N", title="Speed-up"),
        alt.Tooltip("y:Q", title="×", format=".3f"),
        alt.Tooltip("interval:N", title="measured, 95 % interval"),
    ]
    base = alt.Chart(lines).encode(x=axis(points, amount), color=colour)
    line = base.mark_line(strokeWidth=2).encode(
        y=y, strokeDash=alt.StrokeDash("kind:N", scale=DASHES, legend=None), detail="kind:N"
    )
    whisker = base.transform_filter("isValid(datum.y_low)").mark_rule(strokeWidth=1.5, opacity=0.6)
    full = alt.condition(f"datum.kind == '{MEASURED}'", colour, alt.value("transparent"))
    point = base.mark_point(size=70, filled=False, strokeWidth=2, opacity=1).encode(y=y, fill=full, tooltip=tooltip)
    one = alt.Chart(pd.DataFrame({"y": [1.0]})).mark_rule(strokeDash=[4, 3], color=charts.GREY).encode(y="y:Q")
    bars = whisker.encode(y=alt.Y("y_low:Q", title=heading), y2="y_high:Q")
    return charts.layered(HEIGHT, one, line, bars, point)


def tips(amount: Amount) -> list[alt.Tooltip]:
    """Return the tooltips that come first for every point."""
    return [
        alt.Tooltip("curve:N", title="Curve"),
        alt.Tooltip("label:N", title="Point"),
        alt.Tooltip("x:Q", title=f"{amount.label} ×", format=".3~g"),
    ]
