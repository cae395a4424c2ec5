"""The page of the Pareto front: quality against a cost. A click on a point shows its row."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st
from views import charts, details, shared
from views.inference_board import link_to
from views.labels import not_drawn, show_gaps, warn_if_contended
from views.table import ROW_PAGE

from breakeven import protocol
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.ratios import Cost
from breakeven.scoring.wording import inferences

POINT = "point"  # the name of the selection


def show() -> None:
    shared.heading(
        "Pareto front",
        "Quality against cost. The line joins the methods that no other method beats in both. For every method off the"
        " line, a method on it is at least as good and as cheap. Click a point to see all that was recorded.",
    )
    inference, _ = shared.rows()
    board = shared.choose_board(inference, "pareto")
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    costs = list(ratios.COSTS)
    default = ratios.SCENARIO_COST.get(str(board["scenario"].iloc[0]), "usd")
    by = left.selectbox("Cost", costs, index=costs.index(default), format_func=label, key=f"pareto_cost_{default}")
    log = right.toggle("Logarithmic cost axis", value=True, key="pareto_log")
    board, cost = leaderboard.rank(board, by), ratios.COSTS[by]
    warn_if_contended(board)
    points = prepared(board, cost)
    if points.empty:
        st.info(f"No row of this board has both a quality and a figure for '{label(by)}'.")
    else:
        charts.legend(inference, points, with_runtimes=True)
        event = st.altair_chart(
            chart(points, cost, log, inference),
            width="stretch",
            key="pareto_chart",
            on_select="rerun",
            selection_mode=POINT,
        )
        st.caption(caption(cost, points))
    not_drawn(board.assign(drawn=board[cost.column].where(board["quality"].notna())), "drawn")
    if len(points):
        show_row(points, event.selection.get(POINT) or [])
    show_gaps(board, "chain")


def label(by: str) -> str:
    """Return a cost's label with its unit."""
    return charts.title(ratios.COSTS[by])


def caption(cost: Cost, points: pd.DataFrame) -> str:
    """Say what the marks mean, and why some have no interval."""
    text = "Vertical bars: 95 % interval of the quality over test samples. "
    if cost.interval:
        text += (
            "Horizontal bars: 95 % interval of the paired ratio to the reference, on this scale. The reference has"
            " none: its ratio is 1 by definition."
        )
    else:
        text += f"{cost.label} is one count or one reading, not a sample: it has no interval."
    text += (
        " Where no bar shows, the interval is narrower than the point. Hollow points: contended. Dashed: the quality"
        f" gate, {shared.exact(protocol.GATE)} of the reference's quality."
    )
    if cost.per and points[cost.per].nunique() > 1:
        text += " Estimated and measured energy are never compared, so each has a front of its own."
    return text


def prepared(board: pd.DataFrame, cost: Cost) -> pd.DataFrame:
    """Return the points with `x` and its interval, `front`, `group` (the rows that compete) and `contended`."""
    points = board.dropna(subset=["quality", cost.column]).copy()
    sign = points["higher_is_better"].map({True: 1.0, False: -1.0})
    measured = ~ratios.flagged(points, "contended")
    points["group"] = points[cost.per] if cost.per else ""
    points["front"] = False
    for _, group in points.groupby("group", dropna=False):
        burden = group["burden"].where(measured[group.index])
        front = leaderboard.pareto_front(group["quality"] * sign[group.index], burden)
        points.loc[group.index, "front"] = front
    points["contended"] = ~measured
    factor, _ = charts.scaled(cost)
    points["x"] = points[cost.column].astype(float) / factor
    points["x_low"], points["x_high"] = (end / factor for end in charts.ends(points, cost))
    points["pays_off"] = [inferences(value) for value in points["break_even"]]
    return points


SHOWN = ["cell_id", "chain", "runtime", "quality", "quality_ci_low", "quality_ci_high", "quality_ratio", "front"]
SHOWN += ["x", "x_low", "x_high", "group", "contended", "speedup", "size_ratio", "usd_per_million", "pays_off"]


def chart(points: pd.DataFrame, cost: Cost, log: bool, inference: pd.DataFrame) -> alt.LayerChart:
    """Return the chart. The best corner is the upper left, for throughput the upper right."""
    higher = bool(points["higher_is_better"].iloc[0])
    metric = str(points["metric"].iloc[0]).replace("_", " ")
    kind = {"type": "log"} if log else {"zero": False}
    scale = alt.Scale(nice=False, padding=30, **kind)
    x = alt.X("x:Q", title=charts.title(cost), scale=scale)
    if log:
        x = x.axis(format=".6~g", values=charts.ticks(points["x"].min(), points["x"].max()))
    y_title = f"{metric} ({'higher' if higher else 'lower'} is better)"
    y = alt.Y("quality:Q", title=y_title, scale=alt.Scale(zero=False, reverse=not higher, padding=12))
    y = y.axis(format=".3~f")
    base = alt.Chart(points[SHOWN]).encode(x=x)
    line = base.transform_filter("datum.front").mark_line(strokeWidth=2, color=charts.GREY, opacity=0.8)
    gate = alt.Chart(pd.DataFrame({"gate": gates(points)})).mark_rule(strokeDash=[5, 4], color=charts.GREY, opacity=0.7)
    return charts.layered(
        440,
        gate.encode(y="gate:Q"),
        line.encode(y=y, order="x:Q", detail="group:N"),
        *whiskers(base, y, y_title, inference),
        circles(base, y, cost, inference),
    )


def whiskers(base: alt.Chart, y: alt.Y, y_title: str, inference: pd.DataFrame) -> list[alt.Chart]:
    """Return the intervals of the quality and, where it has any, of the cost."""
    rule = base.mark_rule(strokeWidth=1.2, opacity=0.55)
    colour = charts.colours(inference)
    upright = rule.encode(y=alt.Y("quality_ci_low:Q", title=y_title), y2="quality_ci_high:Q", color=colour)
    known = rule.transform_filter("isValid(datum.x_low)")
    return [upright, known.encode(x="x_low:Q", x2="x_high:Q", y=y, color=colour)]


def circles(base: alt.Chart, y: alt.Y, cost: Cost, inference: pd.DataFrame) -> alt.Chart:
    """Return the points, which can be clicked."""
    colour = charts.colours(inference)
    known = charts.runtimes(inference)
    shapes = alt.Scale(domain=list(known), range=[shape for shape, _ in known.values()])
    click = alt.selection_point(name=POINT, fields=["cell_id"], toggle=False, empty=True)
    mark = base.mark_point(size=110, strokeWidth=2, filled=False).encode(
        y=y,
        color=colour,
        fill=alt.condition("datum.contended", alt.value("transparent"), colour),
        shape=alt.Shape("runtime:N", legend=None, scale=shapes),
        opacity=alt.condition(click, alt.value(0.95), alt.value(0.25)),
        tooltip=tooltips(cost),
    )
    return mark.add_params(click)


def gates(points: pd.DataFrame) -> list[float]:
    """Return the quality at the gate in the metric's own unit, as a list of one or none."""
    reference = points["reference_quality"].dropna()
    kept = protocol.GATE if points["higher_is_better"].iloc[0] else 1 / protocol.GATE
    return [float(reference.iloc[0]) * kept] if len(reference) else []


def tooltips(cost: Cost) -> list[alt.Tooltip]:
    """Return the tooltips of a point."""
    return [
        alt.Tooltip("chain:N", title="Method"),
        alt.Tooltip("runtime:N", title="Runtime"),
        alt.Tooltip("quality:Q", title="Quality", format=".4f"),
        alt.Tooltip("quality_ratio:Q", title="Quality kept", format=".1%"),
        alt.Tooltip("x:Q", title=charts.title(cost), format=",.4~g"),
        alt.Tooltip("speedup:Q", title="Speed-up ×", format=".2f"),
        alt.Tooltip("size_ratio:Q", title="Smaller ×", format=".2f"),
        alt.Tooltip("usd_per_million:Q", title="US$ per million", format=".4~g"),
        alt.Tooltip("pays_off:N", title="Pays off after"),
    ]


def show_row(points: pd.DataFrame, selected: list[dict[str, str]]) -> None:
    """Show all that was recorded about the clicked point, and a link to its page."""
    chosen = points[points["cell_id"].isin([item.get("cell_id") for item in selected])]
    if chosen.empty:
        st.info("Click a point to open its row.", icon=":material/ads_click:")
        return
    row = chosen.iloc[0]
    st.subheader(row["chain"])
    st.page_link(
        ROW_PAGE, label="Open the page of this row, with the commands that measure it again", query_params=link_to(row)
    )
    details.show(row, "pareto")


show()
