"""A ranked board of inference rows: its table and its bar chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import altair as alt
import pandas as pd
import streamlit as st
from views import charts, shared, table, units
from views.labels import labels, not_drawn, show_gaps, warn_if_contended
from views.table import TASK_URL, Cell, Column

from breakeven.scoring import ratios
from breakeven.scoring.wording import inferences, number, percent, place, quality, span, times


def show(key: dict[str, object], rows: pd.DataFrame, by: str, inference: pd.DataFrame) -> None:
    """Show a board: heading, table, gaps and bars."""
    st.subheader(shared.heading_of(key, rows, inference))
    st.caption(shared.plain(describe(rows)))
    units.show_links([("task", str(key["task"]))])
    warn_if_contended(rows)
    name = "table_" + "_".join(map(str, key.values()))
    table.show(columns(by, rows), rows, name, pale=lambda row: pd.isna(row["rank"]))
    show_gaps(rows, "chain")
    bars(rows, inference)


def describe(rows: pd.DataFrame) -> str:
    """Return a line with the facts that the rows of a board share."""
    row = rows.iloc[0]
    direction = "higher" if row["higher_is_better"] else "lower"
    parts = [f"quality: {row['metric'].replace('_', ' ')} ({direction} is better)"]
    if rows["n_eval"].notna().any():
        parts.append(f"{int(rows['n_eval'].max()):,} test samples")
    parts.append(f"batch {row['batch_size']}")
    priced = rows.dropna(subset="usd_per_hour")
    if priced.empty:
        parts.append("no price in the profile")
    else:
        price = priced.iloc[0]
        parts.append(f"${price['usd_per_hour']:g}/h: {price['price_source']}, {price['price_date']}")
    if rows["cpu_model"].notna().any():
        parts.append(str(rows["cpu_model"].dropna().iloc[0]))
    return " · ".join(parts)


def columns(by: str, rows: pd.DataFrame) -> list[Column]:
    """Return the columns: the ranking cost before the other costs, and each ratio beside or below its cost."""
    speed = ratios.SCENARIO_COST.get(str(rows["scenario"].iloc[0]), "latency")
    first = [] if by in (speed, "usd") else [cost_column(by, rows)]
    rest = [
        cost_column(name, rows) for name in ("disk", "packed", "memory", "energy", "usd") if name != by or by == "usd"
    ]
    return [
        RANK,
        METHOD,
        FLAGS,
        QUALITY,
        KEPT,
        *first,
        speedup_column(rows),
        THEORETICAL,
        IN_ITS_RUNTIME,
        cost_column(speed, rows),
        PAYS_OFF,
        *rest,
        Column("Parameters", lambda row: table.number(row["parameters"] / 1e6, lambda value: f"{value:.3g} M")),
        Column(
            "Foreign load",
            lambda row: table.number(row["foreign_load_percent"], lambda value: f"{value:.1f} %"),
            "Share of the machine that other programs used while the row was timed.",
        ),
    ]


RANK = Column(
    "#", lambda row: table.number(row["rank"], lambda _: place(row)), "= marks rows that cannot be told apart."
)
METHOD = Column(
    "Method",
    lambda row: Cell(row["chain"], row["chain"], link=link_to(row)),
    right=False,
)
TASK = Column(
    "Task",
    lambda row: Cell(row["task"], row["task"], link={"task": row["task"].partition("-")[0]}, page=TASK_URL),
    right=False,
)
FLAGS = Column("Badges and flags", lambda row: Cell(labels=labels(row), sort=len(labels(row))), right=False, wrap=True)
QUALITY = Column(
    "Quality",
    lambda row: table.number(row["quality"], quality, interval(row, "quality_ci", quality)),
    "On the whole test set. Below: the 95 % interval over test samples.",
)
KEPT = Column(
    "Quality kept",
    lambda row: table.number(row["quality_ratio"], percent, interval(row, "quality_kept_ci", percent)),
    "Share of the reference's quality. Error metrics are inverted first. Below: its 95 % interval, paired by test"
    " sample.",
)
THEORETICAL = Column(
    "By arithmetic",
    lambda row: table.number(row["theoretical_speedup"], times),
    "The theoretical speed-up: the one that fewer operations alone would give. Weights that are zero do not count. The"
    " measured speed-up differs, because it depends on hardware and runtime too.",
)
IN_ITS_RUNTIME = Column(
    "In its runtime",
    lambda row: table.number(row["compression_speedup"], times, interval(row, "compression_speedup_ci", times)),
    "Speed-up over fp32 in the same runtime: the gain of the compression alone. Below: the 95 % interval, from those of"
    " both speed-ups. In eager torch it equals the speed-up. A gap where fp32 was not measured in the runtime.",
)
PAYS_OFF = Column(
    "Pays off",
    lambda row: table.number(row["break_even"], inferences, span(*stars(row), inferences)),
    "The break-even point N*: the number of inferences after which compressing has paid for its own work. Below: N* at"
    " both ends of the speed-up's interval.",
)
SPEEDUP = Column(
    "Speed-up",
    lambda row: table.number(row["speedup"], times, interval(row, "speedup_ci", times)),
    "Over fp32 in eager torch, timed in turns with it. Below: the 95 % interval.",
)
SIZE = Column(
    "Size",
    lambda row: table.number(row["size_ratio"], times),
    "The size of the reference's file divided by that of the row's.",
)
PACKED = Column(
    "Packed",
    lambda row: table.number(row["packed_ratio"], times),
    "The size of the reference's file packed by zstd, divided by that of the row's.",
)


def stars(row: pd.Series) -> tuple[float, float]:
    """Return the ends of the interval of N*."""
    return row["break_even_low"], row["break_even_high"]


def link_to(row: pd.Series) -> dict[str, str]:
    """Return the query parameters that name a row in the address of its page."""
    names = {"cell": "cell_id", "scenario": "scenario", "machine": "hardware_fingerprint"}
    found = {name: str(row[field]) for name, field in names.items() if pd.notna(row.get(field))}
    return found | ({"source": row["source"]} if row["source"] != shared.HERE else {})


def interval(row: pd.Series, name: str, show: Callable[[float], str]) -> str | None:
    """Format the interval of a figure; None where it has none or is exact by definition."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return None if pd.isna(low) or low == high else span(low, high, show)


def speedup_column(rows: pd.DataFrame) -> Column:
    """Return the column of speed-ups with bars; the fastest row's bar has the full length."""
    fastest = rows["speedup"].max()

    def cell(row: pd.Series) -> Cell:
        found = SPEEDUP.cell(row)
        return found if found.sort is None else replace(found, share=found.sort / fastest)

    return replace(SPEEDUP, cell=cell)


RATIO_BELOW = "Below: the reference's figure divided by the row's"
HELP = {
    "latency": "Latency of one call: the median over processes. Below: the speed-up's interval on this scale.",
    "throughput": "Samples per second. Below: the speed-up's interval on this scale.",
    "disk": f"Size of the file that a user would ship. {RATIO_BELOW}.",
    "packed": f"Size of the file packed by zstd, as it would be sent. {RATIO_BELOW}.",
    "memory": f"Peak memory above the level after imports. {RATIO_BELOW}.",
    "arithmetic": f"Operations of one sample, without weights that are zero. {RATIO_BELOW}.",
    "energy": f"Energy per sample, in the same turns as the times. {RATIO_BELOW}, with its 95 % interval.",
    "usd": "Cost of a million inferences at the profile's price. Below: the speed-up's interval on this scale.",
}


def cost_column(name: str, rows: pd.DataFrame) -> Column:
    """Return the column of a cost, with its interval or its ratio below."""
    cost = ratios.COSTS[name]
    factor, unit = charts.scaled(cost)
    lows, highs = (end / factor for end in charts.ends(rows, cost))
    label = cost.label if name == "usd" else f"{cost.label} [{unit}]"
    show = shared.money if name == "usd" else number

    def below(row: pd.Series) -> str | None:
        if name in ("latency", "throughput", "usd"):
            low, high = lows[row.name], highs[row.name]
            return None if pd.isna(low) else span(low, high, show)
        exact = interval(row, "energy_gain_ci", times) if name == "energy" else None
        return None if pd.isna(row[cost.ratio]) else times(row[cost.ratio]) + (f" ({exact})" if exact else "")

    return Column(label, lambda row: table.number(row[cost.column] / factor, show, below(row)), HELP[name])


def bars(rows: pd.DataFrame, inference: pd.DataFrame) -> None:
    """Show speed-ups as bars with their 95 % intervals, and theoretical speed-ups as diamonds."""
    data = rows.dropna(subset="speedup")
    if len(data):
        st.altair_chart(bar_chart(data, inference), width="stretch", alt="Speed-ups with their 95 % intervals")
        st.caption(
            "Whiskers: 95 % interval over pairs of processes. Diamonds: the theoretical speed-up, by arithmetic. Pale:"
            " not ranked. Dashed: the reference, 1 by definition."
        )
    not_drawn(rows, "speedup")


def bar_chart(data: pd.DataFrame, inference: pd.DataFrame) -> alt.LayerChart:
    """Return the bar chart of rows that have a speed-up."""
    fields = ["chain", "theoretical_speedup", *ratios.SPEEDUPS]
    data = data[fields].astype(dict.fromkeys(fields[1:], float)).assign(ranked=data["rank"].notna())
    base = alt.Chart(data).encode(y=charts.names("chain:N", list(data["chain"])))
    axis = alt.Axis(tickCount=6, format=".6~g")
    tips = {"speedup": "Speed-up ×", "speedup_ci_low": "from", "speedup_ci_high": "to"}
    tips["theoretical_speedup"] = "by arithmetic ×"
    bar = base.mark_bar(height={"band": 0.62}).encode(
        x=alt.X("speedup:Q", title="Speed-up × (95 % interval)", axis=axis),
        color=charts.colours(inference),
        opacity=alt.condition("datum.ranked", alt.value(0.95), alt.value(0.4)),
        tooltip=[
            alt.Tooltip("chain", title="Method"),
            *(alt.Tooltip(c, title=t, format=".3f") for c, t in tips.items()),
        ],
    )
    arithmetic = base.mark_point(shape="diamond", size=90, filled=True, opacity=1, color="#5b6673", stroke="white")
    arithmetic = arithmetic.transform_filter("isValid(datum.theoretical_speedup)").encode(x="theoretical_speedup:Q")
    whisker = base.mark_rule(strokeWidth=1.5, color=charts.GREY).encode(x="speedup_ci_low:Q", x2="speedup_ci_high:Q")
    caps = [
        base.mark_tick(color=charts.GREY, thickness=1.5, height={"band": 0.3}).encode(x=f"speedup_ci_{end}:Q")
        for end in ("low", "high")
    ]
    one = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_rule(strokeDash=[4, 3], color=charts.GREY).encode(x="x:Q")
    return charts.layered(32 * len(data) + 62, bar, arithmetic, whisker, *caps, one)
