"""The Pareto front of a board: quality against a cost; a click on a point opens its row."""

from __future__ import annotations

from dataclasses import fields

import altair as alt
import pandas as pd
import streamlit as st
from views import shared

from breakeven import leaderboard, record
from breakeven.figures import inferences

POINT = "point"  # the name of the selection
FIRST = ["quality", "quality_ratio", "speedup", "latency_p50_ms", "throughput_samples_per_s", "disk_bytes"]
FIRST += ["size_ratio", "memory_above_baseline_bytes", "memory_ratio", "usd_per_million", "break_even"]
PROVENANCE = [field.name for field in fields(record.Provenance)]
RECORDED = [field.name for field in fields(record.InferenceRow) if field.name not in PROVENANCE]
NUMBERS = [name for name in RECORDED if name.endswith(("_s", "_ms", "_bytes", "_cv", "_low", "_high", "_percent"))]
NUMBERS += ["reference_quality", "n_eval", "parameters", "nonzero_parameters", "warmup_calls", "timed_calls"]
NUMBERS += ["processes", "contended", "unstable"]
MEASURED = list(dict.fromkeys(FIRST + NUMBERS))
GROUPS = {
    "Measured": MEASURED,
    "Identity": [name for name in RECORDED if name not in MEASURED],
    "Provenance": PROVENANCE,
}


def show() -> None:
    shared.heading(
        "Pareto front",
        "Quality against cost. On the line lie the methods that no other beats in both; everything else can be"
        " replaced by something better or cheaper. Click a point to see all that was recorded.",
    )
    inference, _ = shared.rows()
    board = shared.choose_board(inference, "pareto")
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    costs = list(leaderboard.COSTS)
    default = leaderboard.SCENARIO_COST.get(str(board["scenario"].iloc[0]), "usd")
    by = left.selectbox("Cost", costs, index=costs.index(default), format_func=label, key=f"pareto_cost_{default}")
    log = right.toggle("Logarithmic cost axis", value=True, key="pareto_log")
    board = leaderboard.rank(board, by)
    shared.warn_if_contended(board)
    points = prepared(board, leaderboard.COSTS[by])
    if points.empty:
        st.info(f"No row of this board has both a quality and a figure for '{label(by)}'.")
    else:
        shared.legend(inference, points, with_runtimes=True)
        event = st.altair_chart(
            chart(points, leaderboard.COSTS[by], log, inference),
            width="stretch",
            key="pareto_chart",
            on_select="rerun",
            selection_mode=POINT,
        )
        st.caption(
            "Vertical bars: 95 % interval of the quality over test samples. Hollow points: contended, measured beside"
            " a foreign load. Dashed: the quality gate, 99 % of the reference's."
        )
        show_row(points, event.selection.get(POINT) or [])
    shared.show_gaps(board, "chain")


def label(by: str) -> str:
    """A cost with its unit."""
    cost = leaderboard.COSTS[by]
    return f"{cost.label} [{unit(cost)}]"


def unit(cost: leaderboard.Cost) -> str:
    """The unit of the axis."""
    return "MB" if cost.unit == "bytes" else cost.unit


def prepared(board: pd.DataFrame, cost: leaderboard.Cost) -> pd.DataFrame:
    """The points, with the columns `x`, `front` and `contended` as yes or no."""
    points = board.dropna(subset=["quality", cost.column]).copy()
    sign = points["higher_is_better"].map({True: 1.0, False: -1.0})
    measured = ~leaderboard.flagged(points, "contended")
    burden = points["burden"].where(measured)
    points["front"] = leaderboard.pareto_front(points["quality"] * sign, burden)
    points["contended"] = ~measured
    points["x"] = points[cost.column] / (1e6 if cost.unit == "bytes" else 1)
    points["pays_off"] = [inferences(value) for value in points["break_even"]]
    return points


SHOWN = ["cell_id", "chain", "runtime", "quality", "quality_ci_low", "quality_ci_high", "quality_ratio", "x", "front"]
SHOWN += ["contended", "speedup", "size_ratio", "usd_per_million", "pays_off", "higher_is_better", "reference_quality"]


def chart(points: pd.DataFrame, cost: leaderboard.Cost, log: bool, inference: pd.DataFrame) -> alt.LayerChart:
    """Front line, intervals and points; the best corner is at the top, left for costs and right for throughput."""
    data = points[SHOWN].copy()
    higher = bool(data["higher_is_better"].iloc[0])
    metric = str(points["metric"].iloc[0]).replace("_", " ")
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=False, padding=30)
    x = alt.X("x:Q", title=f"{cost.label} [{unit(cost)}]", scale=scale)
    y_title = f"{metric} ({'higher' if higher else 'lower'} is better)"
    y = alt.Y("quality:Q", title=y_title, scale=alt.Scale(zero=False, reverse=not higher, padding=12))
    y = y.axis(format=".3~f")
    colour = shared.colours(inference)
    base = alt.Chart(data).encode(x=x)
    line = base.transform_filter("datum.front").mark_line(
        interpolate="linear", strokeWidth=2, color=shared.REFERENCE_COLOUR, opacity=0.8
    )
    whisker = base.mark_rule(strokeWidth=1.2, opacity=0.45).encode(
        y=alt.Y("quality_ci_low:Q", title=y_title), y2="quality_ci_high:Q", color=colour
    )
    known = shared.runtimes(inference)
    shapes = alt.Scale(domain=list(known), range=[shape for shape, _ in known.values()])
    click = alt.selection_point(name=POINT, fields=["cell_id"], toggle=False, empty=True)
    circle = base.mark_point(size=170, strokeWidth=2, filled=False).encode(
        y=y,
        color=colour,
        fill=alt.condition("datum.contended", alt.value("transparent"), colour),
        shape=alt.Shape("runtime:N", legend=None, scale=shapes),
        opacity=alt.condition(click, alt.value(0.95), alt.value(0.25)),
        tooltip=tooltips(cost),
    )
    gate = alt.Chart(pd.DataFrame({"gate": gates(points)})).mark_rule(
        strokeDash=[5, 4], color=shared.REFERENCE_COLOUR, opacity=0.7
    )
    layers = alt.layer(gate.encode(y="gate:Q"), line.encode(y=y, order="x:Q"), whisker, circle.add_params(click))
    return layers.properties(height=440, usermeta=shared.SVG)


def gates(points: pd.DataFrame) -> list[float]:
    """The quality at the gate, in the metric's own unit."""
    reference = points["reference_quality"].dropna()
    kept = leaderboard.GATE if points["higher_is_better"].iloc[0] else 1 / leaderboard.GATE
    return [float(reference.iloc[0]) * kept] if len(reference) else []


def tooltips(cost: leaderboard.Cost) -> list[alt.Tooltip]:
    """What hovering shows."""
    return [
        alt.Tooltip("chain:N", title="Method"),
        alt.Tooltip("runtime:N", title="Runtime"),
        alt.Tooltip("quality:Q", title="Quality", format=".4f"),
        alt.Tooltip("quality_ratio:Q", title="of the reference", format=".1%"),
        alt.Tooltip("x:Q", title=f"{cost.label} [{unit(cost)}]", format=",.4~g"),
        alt.Tooltip("speedup:Q", title="Speed-up ×", format=".2f"),
        alt.Tooltip("size_ratio:Q", title="Smaller ×", format=".2f"),
        alt.Tooltip("usd_per_million:Q", title="US$ per million", format=".4~g"),
        alt.Tooltip("pays_off:N", title="Pays off after"),
    ]


def show_row(points: pd.DataFrame, selected: list[dict[str, str]]) -> None:
    """Everything recorded about the point that was clicked."""
    chosen = points[points["cell_id"].isin([item.get("cell_id") for item in selected])]
    if chosen.empty:
        st.info("Click a point to open its row.", icon=":material/ads_click:")
        return
    row = chosen.iloc[0]
    st.subheader(row["chain"])
    for column, (title, names) in zip(st.columns([2, 1.4, 1.4]), GROUPS.items(), strict=True):
        column.markdown(f"**{title}**")
        values = [(name.replace("_", " "), text(row[name])) for name in names if pd.notna(row[name])]
        frame = pd.DataFrame(values, columns=["Field", "Value"])
        column.dataframe(frame, hide_index=True, height=min(420, shared.table_height(frame)), key=f"row_{title}")


def text(value: object) -> str:
    """A recorded value; numbers with six digits, counts with all of theirs."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


show()
