"""The break-even calculator: the cheapest method for a number of inferences, and each method's break-even point."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from views import calculator_charts, charts, controls, shared, table
from views.inference_board import FLAGS, METHOD, interval, stars
from views.labels import not_drawn, show_gaps, warn_if_contended
from views.table import Cell, Column

from breakeven import protocol
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.cheapest import HOURS, US_DOLLARS, Demand, cheapest
from breakeven.scoring.cheapest import UNITS as COUNTED_IN
from breakeven.scoring.wording import GAP, inferences, number, percent, span

STEPS = [int(digit * 10**power) for power in range(2, 12) for digit in (1, 2, 5)] + [10**12]  # inferences
SPENT = "The cost of training the original, and of the N₀ inferences that it has served. Every choice includes it."
# the budgets that `breakeven cheapest` takes too: its options
LIMITS = {
    "latency_p50_ms": "max-latency-ms",
    "memory_above_baseline_bytes": "max-memory-mb",
    "disk_bytes": "max-disk-mb",
    "packed_bytes": "max-packed-mb",
}


def show() -> None:
    shared.heading(
        "Break-even",
        "Compressing costs work now and saves a little with every inference. The break-even point N* is the number of"
        " inferences after which compressing has paid for itself. The cheapest method depends on the number of"
        " inferences that you will serve.",
    )
    inference, _ = shared.rows()
    board = shared.choose_board(inference, "calculator")
    measured = ratios.succeeded(board) & board["reference_seconds_per_inference"].notna()
    if not measured.any():
        st.info("No method of this board was measured beside its reference, so there is nothing to compare.")
        show_gaps(leaderboard.rank(board, "usd"), "chain")
        return
    demand = controls_of(board)
    gate, limits = limits_of()
    costs = cheapest(board, demand, gate, limits)
    warn_if_contended(costs)
    answer(costs, demand)
    known = costs[costs["total"].notna()]
    if len(known):
        charts.legend(inference, known)
        calculator_charts.show(known, demand, inference)
        not_drawn(costs, "total")
    show_table(costs, demand)
    show_gaps(costs, "chain")
    show_command(board.iloc[0], demand, gate, limits)


def controls_of(rows: pd.DataFrame) -> Demand:
    """Show sliders for numbers of inferences and fields for prices; return the demand."""
    left, right = st.columns(2)
    n = left.select_slider(
        "Inferences to serve from now on", STEPS, value=10**6, format_func=inferences, key="calculator_n"
    )
    served = right.select_slider(
        "N₀: inferences already served by the original",
        [0, *STEPS],
        value=0,
        format_func=inferences,
        key="calculator_served",
    )
    price = rows["usd_per_hour"].dropna()
    default = float(price.iloc[0]) if len(price) else None
    a, b, c, d = st.columns([1.3, 1, 1, 1.3], vertical_alignment="bottom")
    unit = a.segmented_control(
        "Count in",
        list(COUNTED_IN),
        default="hours" if default is None else "usd",
        format_func=COUNTED_IN.__getitem__,
        required=True,
        key="calculator_unit",
    )
    prices = {}
    for column, name, label in ((b, "serving", "Serving, US$ per hour"), (c, "making", "Compressing, US$ per hour")):
        prices[name] = column.number_input(
            label,
            min_value=0.0,
            value=default,
            placeholder="no price in the profile",
            step=0.01,
            format="%.4f",
            disabled=unit != "usd",
            key=f"calculator_{name}_{default}",  # another profile starts at its own price
            help="The default is the price in the hardware profile, where it states one.",
        )
    spent = d.toggle("Include costs already spent", value=True, key="calculator_spent", help=SPENT)
    own = {name: price if unit == "usd" and price != default else None for name, price in prices.items()}
    return Demand(inferences=n, served=served, unit=unit, spent=spent, **own)


def limits_of() -> tuple[float, dict[str, float | None]]:
    """Show controls for the quality gate and for limits of latency, memory and size; return both."""
    first, *others = st.columns(1 + len(LIMITS), vertical_alignment="bottom")
    gate = controls.gate(first, "calculator")
    limits: dict[str, float | None] = {}
    for place, column in zip(others, LIMITS, strict=True):
        limits |= controls.budgets(place, "calculator", [column])
    return gate, limits


def answer(costs: pd.DataFrame, demand: Demand) -> None:
    """Show the cheapest method at N with its ties, its saving, and the first method to pay off."""
    eligible = costs[costs["eligible"]]
    if eligible.empty:
        st.warning(f"No method may be chosen: {why_none(costs, demand)}", icon=":material/block:")
        return
    best = costs[costs["cheapest"]].iloc[0]
    ties = [chain for chain in costs.loc[costs["tied"], "chain"] if chain != best["chain"]]
    tie = f"tied with {', '.join(ties)}" if ties else "cheaper than every other beyond doubt"
    total = f"{spelled(best['total'], demand)}, {tie}"
    saved = "it is the original itself" if best["chain"] == protocol.REFERENCE else f"by {best['chain']}"
    cards = [
        (f"Cheapest at {inferences(demand.inferences)} inferences", best["chain"], total),
        ("Saved against the original", spelled(best["saved"], demand), saved),
    ]
    paying = eligible[np.isfinite(eligible["break_even"].astype(float))]
    if len(paying):
        first = paying.loc[paying["break_even"].idxmin()]
        cards.append(("First to pay off", first["chain"], f"after {inferences(first['break_even'])} inferences"))
    else:
        cards.append(("First to pay off", "none", "no method within the limits is cheaper per inference"))
    for column, (title, value, detail) in zip(st.columns(3), cards, strict=True):
        with column.container(border=True, height="stretch"):
            st.caption(title)
            st.markdown(f"**{shared.plain(value)}**")
            st.caption(shared.plain(detail))


def why_none(costs: pd.DataFrame, demand: Demand) -> str:
    """Say why no method is eligible."""
    if costs["total"].isna().all():
        needed = {"usd": "a price", "joules": "measured energy, or watts in the profile"}
        return f"a cost in {COUNTED_IN[demand.unit]} needs {needed.get(demand.unit, 'times')}, which no row has."
    return "every row is below the quality gate, over a limit, contended, or failed. Loosen a limit."


def spelled(value: float, demand: Demand) -> str:
    """Format a cost with its unit."""
    unit = COUNTED_IN[demand.unit]
    if pd.isna(value):
        return GAP
    return shared.money(value) if unit == US_DOLLARS else f"{number(value)} {'h' if unit == HOURS else unit}"


def show_table(costs: pd.DataFrame, demand: Demand) -> None:
    """Show all methods in a table; the cheapest one that may be chosen comes first."""

    def spell(value: float) -> str:
        return spelled(value, demand)

    def saved(row: pd.Series) -> Cell:
        return Cell(GAP) if row["chain"] == protocol.REFERENCE else table.number(row["saved"], spell)

    columns = [
        METHOD,
        Column(
            "N*",
            pays_off,
            "The break-even point: the number of inferences after which the method has paid for itself. Below: its 95 %"
            " interval.",
        ),
        Column(
            f"Total at {inferences(demand.inferences)}",
            lambda row: table.number(row["total"], spell, interval_of_total(row, spell)),
            "Below: the total at both ends of the interval of the speed-up, or of the energy gain where it is"
            " measured.",
        ),
        Column("Saved", saved, "The original's total minus the method's."),
        Column(
            "Per million",
            lambda row: table.number(row["c"] * 1e6, spell),
            "The cost of a million inferences: the original's, divided by the paired ratio.",
        ),
        Column(
            "To make it",
            lambda row: table.number(row["making"], spell),
            "The cost of compressing, with its fine-tuning, and of the export.",
        ),
        Column(
            "Quality kept",
            lambda row: table.number(row["quality_ratio"], percent, interval(row, "quality_kept_ci", percent)),
        ),
        FLAGS,
    ]
    table.show(columns, costs, "calculator_table", pale=lambda row: not row["eligible"])
    st.caption("Pale rows may not be chosen: they are below the quality gate, over a limit, contended, or failed.")


def pays_off(row: pd.Series) -> Cell:
    """Return the cell of N* with its interval, or of 'never'; the original has no N*."""
    if row["chain"] == protocol.REFERENCE:
        return Cell("the original")
    return table.number(row["break_even"], inferences, span(*stars(row), inferences))


def interval_of_total(row: pd.Series, spell: Callable[[float], str]) -> str | None:
    """Format the ends of a total's interval; None where they are equal."""
    low, high = row["total_low"], row["total_high"]
    return None if pd.isna(low) or low == high else span(low, high, spell)


def show_command(row: pd.Series, demand: Demand, gate: float, limits: dict[str, float | None]) -> None:
    """Show the command that answers the same question in the terminal."""
    st.markdown("**The same in the terminal**")
    st.code(command(row, demand, gate, limits), language="bash", wrap_lines=True)
    if demand.serving is not None or demand.making is not None or not demand.spent:
        st.caption(
            "The command uses the prices in the rows and includes costs already spent. Its totals differ from those"
            " above."
        )


def command(row: pd.Series, demand: Demand, gate: float, limits: dict[str, float | None]) -> str:
    """Return the `breakeven cheapest` command for the state of the controls."""
    options = {"inferences": f"{demand.inferences:g}", "results": str(shared.folder_of(row["source"]))}
    options |= {name: str(row[name]) for name in ("task", "hardware", "scenario")}
    options |= {} if demand.unit == "usd" else {"unit": demand.unit}
    options |= {"served": f"{demand.served:g}"} if demand.served else {}
    options |= {} if gate == protocol.GATE else {"min-quality": f"{gate:g}"}
    for column, limit in limits.items():
        if limit is not None:
            options[LIMITS[column]] = f"{limit / controls.BUDGETS[column][1]:g}"
    return " ".join(["breakeven cheapest", *(f"--{name} {shlex.quote(value)}" for name, value in options.items())])


show()
