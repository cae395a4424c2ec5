"""The break-even calculator: after how many inferences a method has paid for its own work (protocol, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from views import shared

from breakeven import cost, leaderboard
from breakeven.figures import inferences, number

STEPS = [int(digit * 10**power) for power in range(2, 12) for digit in (1, 2, 5)] + [10**12]  # inferences
US_DOLLARS, HOURS = "US$", "device-hours"
POINTS = 120  # of each line


@dataclass(frozen=True)
class Setting:
    """What the controls say."""

    n: int  # inferences from now on
    served: int  # N0, by the original before
    serving: float  # price of an hour of the hardware that serves
    making: float  # of the hardware that compresses
    unit: str
    spent: bool  # count what is spent either way


def show() -> None:
    shared.heading(
        "Break-even",
        "Compressing costs work now and saves a little with every inference. N* is the number of inferences after"
        " which it has paid for itself.",
    )
    inference, _ = shared.rows()
    board = leaderboard.rank(shared.choose_board(inference, "breakeven"), "usd")
    good = board[leaderboard.succeeded(board) & board["reference_seconds_per_inference"].notna()]
    if good.empty:
        st.info("No method of this board has been measured beside its reference: there is nothing to compare.")
        return
    shared.warn_if_contended(good)
    setting = controls(good)
    costs = with_costs(good, setting)
    headline(costs, setting)
    shared.legend(inference, costs)
    charts(costs, setting, inference)
    st.caption(
        "Points mark N*, where a method's line meets the original's (dashed, grey); the vertical line is the chosen"
        " number of inferences. Pale lines are not ranked: below the quality gate, or contended. What was spent"
        " before is the same for every line and does not move N*."
    )
    show_table(costs, setting)


def controls(rows: pd.DataFrame) -> Setting:
    """Sliders for the numbers of inferences, fields for prices."""
    left, right = st.columns(2)
    n = left.select_slider(
        "Inferences to serve from now on", STEPS, value=10**6, format_func=inferences, key="breakeven_n"
    )
    served = right.select_slider(
        "N₀: already served by the original", [0, *STEPS], value=0, format_func=inferences, key="breakeven_served"
    )
    price = rows["usd_per_hour"].dropna()
    default = float(price.iloc[0]) if len(price) else None
    a, b, c, d = st.columns([1, 1, 1, 1.3], vertical_alignment="bottom")
    unit = a.segmented_control(
        "Count in", [US_DOLLARS, HOURS], default=US_DOLLARS if default else HOURS, required=True, key="breakeven_unit"
    )
    fixed = unit == HOURS
    prices = {}
    for column, name, label in ((b, "serving", "Serving, US$ per hour"), (c, "making", "Compressing, US$ per hour")):
        prices[name] = column.number_input(
            label,
            min_value=0.0,
            value=default if default else 1.0,
            step=0.01,
            format="%.4f",
            disabled=fixed,
            key=f"breakeven_{name}_{default}",  # another profile starts at its own price
            help="Starts at the price of the hardware profile that the rows carry, where it has one.",
        )
    spent = d.toggle("Include what is already spent", value=True, key="breakeven_spent", help=SPENT)
    prices = dict.fromkeys(prices, cost.DEVICE_HOURS) if fixed else prices
    return Setting(n=n, served=served, unit=unit, spent=spent, **prices)


SPENT = "Training the original and the N₀ inferences that it has served. It is spent either way."


def with_costs(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The rows with each method's costs in the chosen unit, and N* with its interval."""
    rows = rows.copy()
    c_0 = cost.work(rows["reference_seconds_per_inference"], setting.serving)
    rows["c_0"], rows["c"] = c_0, c_0 / rows["speedup"].to_numpy(float)
    rows["making"] = cost.work(rows["making_s"], setting.making)
    trained = cost.work(rows["train_time_s"], setting.making)
    rows["sunk"] = cost.original_total(0, setting.served, trained, c_0) if setting.spent else 0.0
    own = rows["chain"] == leaderboard.REFERENCE
    for speedup, column in zip(leaderboard.SPEEDUPS, leaderboard.BREAK_EVENS, strict=True):
        found = leaderboard.break_even(rows, speedup, setting.making, setting.serving)
        rows[column] = found.mask(own)
    rows["ranked"] = rows["rank"].notna()
    rows["total"] = totals(rows, setting.n)
    rows["saved"] = rows["sunk"] + setting.n * rows["c_0"] - rows["total"]
    return rows


def totals(rows: pd.DataFrame, n: float | pd.Series) -> pd.Series:
    """Each method's total cost after n further inferences."""
    return rows["sunk"] + rows["making"] + n * rows["c"]


def headline(costs: pd.DataFrame, setting: Setting) -> None:
    """The cheapest at N, and the first to pay off."""
    closed = costs[costs["rank"].notna() & costs["total"].notna()]
    if closed.empty:
        return
    cheapest = closed.loc[closed["total"].idxmin()]
    cards = [
        (f"Cheapest at {inferences(setting.n)} inferences", cheapest["chain"], spelled(cheapest["total"], setting)),
        ("Saved against the original", spelled(cheapest["saved"], setting), f"by {cheapest['chain']}"),
    ]
    paying = closed[np.isfinite(closed["break_even"])]
    if len(paying):
        first = paying.loc[paying["break_even"].idxmin()]
        cards.append(("First to pay off", first["chain"], f"after {inferences(first['break_even'])} inferences"))
    else:
        cards.append(("First to pay off", "none", "no method within the quality gate is faster than the original"))
    for column, (title, value, detail) in zip(st.columns(3), cards, strict=True):
        with column.container(border=True, height="stretch"):
            st.caption(title)
            st.markdown(f"**{value}**")
            st.caption(detail)


def spelled(value: float, setting: Setting) -> str:
    """A cost with its unit."""
    return shared.money(value) if setting.unit == US_DOLLARS else f"{number(value)} h"


def curves(costs: pd.DataFrame, setting: Setting) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points of the lines, and the marks at N*: columns `chain`, `ranked`, `n`, `total`, `relative`."""
    known = [*costs["break_even"][np.isfinite(costs["break_even"]) & (costs["break_even"] > 0)], setting.n]
    numbers = np.geomspace(max(1.0, min(known) / 20), max(known) * 20, POINTS)
    lines = costs[NEEDED].merge(pd.DataFrame({"n": numbers}), how="cross")
    marks = costs[np.isfinite(costs["break_even"])][NEEDED].assign(n=lambda rows: rows["break_even"])
    for frame in (lines, marks):
        frame["total"] = totals(frame, frame["n"])
        frame["relative"] = frame["total"] / (frame["sunk"] + frame["n"] * frame["c_0"])
        frame["n_star"] = frame["break_even"].map(inferences)
    return lines[lines["total"] > 0], marks[marks["n"] > 0]


NEEDED = ["chain", "ranked", "sunk", "making", "c", "c_0", "break_even"]


def charts(costs: pd.DataFrame, setting: Setting, inference: pd.DataFrame) -> None:
    """Total cost, and cost relative to the original, against the number of inferences: one line per method."""
    lines, marks = curves(costs, setting)
    x = alt.X("n:Q", title="Inferences from now on", scale=alt.Scale(type="log", nice=False))
    x = x.axis(format="~s", values=shared.ticks(lines["n"].min(), lines["n"].max()))
    y = alt.Y("total:Q", title=f"Total cost [{setting.unit}]", scale=alt.Scale(type="log", nice=False))
    y = y.axis(format="~g", values=shared.ticks(lines["total"].min(), lines["total"].max()))
    top = float(np.clip(lines["relative"].max(), 1.2, 2.0))
    relative = alt.Y("relative:Q", title="Cost relative to the original", scale=alt.Scale(domain=[0, top]))
    left, right = st.columns(2)
    left.altair_chart(chart(lines, marks, setting, x, y, inference), width="stretch", key="total")
    right.altair_chart(
        chart(lines, marks, setting, x, relative.axis(format="%"), inference), width="stretch", key="relative"
    )


def chart(
    lines: pd.DataFrame, marks: pd.DataFrame, setting: Setting, x: alt.X, y: alt.Y, inference: pd.DataFrame
) -> alt.LayerChart:
    """Lines with N* marked on them, and the chosen number of inferences as a rule."""
    tooltip = [
        alt.Tooltip("chain:N", title="Method"),
        alt.Tooltip("n:Q", title="Inferences", format=".3~s"),
        alt.Tooltip("total:Q", title=f"Total [{setting.unit}]", format=".4~g"),
        alt.Tooltip("relative:Q", title="of the original", format=".1%"),
        alt.Tooltip("n_star:N", title="N*"),
    ]
    base = {"x": x, "y": y, "color": shared.colours(inference), "tooltip": tooltip}
    dashed = alt.condition(f"datum.chain == '{leaderboard.REFERENCE}'", alt.value([6, 4]), alt.value([1, 0]))
    pale = alt.condition("datum.ranked", alt.value(1), alt.value(0.45))
    line = alt.Chart(lines).mark_line(strokeWidth=2, clip=True).encode(**base, strokeDash=dashed, opacity=pale)
    point = alt.Chart(marks).mark_point(size=110, filled=True, stroke="white", strokeWidth=1).encode(**base)
    chosen = alt.Chart(pd.DataFrame({"n": [setting.n]})).mark_rule(strokeDash=[3, 3], color=shared.REFERENCE_COLOUR)
    return alt.layer(chosen.encode(x="n:Q"), line, point).properties(height=400, usermeta=shared.SVG)


def show_table(costs: pd.DataFrame, setting: Setting) -> None:
    """Every method, the cheapest at N first."""
    costs = costs.sort_values("total")
    table = costs[["chain", "quality_ratio"]].copy()
    table["quality_ratio"] *= 100
    table["flags"] = [shared.flags(row) for _, row in costs.iterrows()]
    table["n_star"] = [pays_off(row) for _, row in costs.iterrows()]
    table["interval"] = [interval(row) for _, row in costs.iterrows()]
    saved = costs["saved"].mask(costs["chain"] == leaderboard.REFERENCE)
    for name, values in (("making", costs["making"]), ("total", costs["total"]), ("saved", saved)):
        table[name] = [spelled(value, setting) for value in values]
    table["million"] = [spelled(value * 1e6, setting) for value in costs["c"]]
    column, right = st.column_config, {"alignment": "right"}
    st.dataframe(
        table,
        hide_index=True,
        height=shared.table_height(table),
        key="breakeven_table",
        column_order=[
            "chain", "n_star", "interval", "total", "saved", "million", "making", "quality_ratio", "flags",
        ],
        column_config={
            "chain": column.TextColumn("Method", pinned=True, width=245),
            "n_star": column.TextColumn("N*", help="Inferences after which it has paid for itself.", **right),
            "interval": column.TextColumn("N*, 95 %", help="From the interval of the speed-up.", **right),
            "total": column.TextColumn(f"Total at {inferences(setting.n)}", **right),
            "saved": column.TextColumn("Saved", help="Against serving all with the original.", **right),
            "million": column.TextColumn("Per million", help="The original's, over the paired speed-up.", **right),
            "making": column.TextColumn("To make it", help="Compressing with its fine-tuning, and export.", **right),
            "quality_ratio": column.NumberColumn("Quality kept", format="%.1f %%"),
            "flags": shared.flag_column(table),
        },
    )  # fmt: skip


def pays_off(row: pd.Series) -> str:
    """N*, or that it never comes; the original has none."""
    return "the original" if row["chain"] == leaderboard.REFERENCE else inferences(row["break_even"])


def interval(row: pd.Series) -> str:
    """N* at both ends of the speed-up's interval."""
    ends = row["break_even_low"], row["break_even_high"]
    return "–" if any(map(pd.isna, ends)) else " – ".join(dict.fromkeys(map(inferences, ends)))


show()
