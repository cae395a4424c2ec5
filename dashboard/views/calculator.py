"""The break-even calculator: the cheapest method for a number of inferences within limits, and when each pays off."""

from __future__ import annotations

import shlex

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
SPENT = "Training the original and the N₀ inferences that it has served. It is spent either way."
# of the budgets, those that `breakeven cheapest` takes too
LIMITS = {
    "latency_p50_ms": "max-latency-ms",
    "memory_above_baseline_bytes": "max-memory-mb",
    "disk_bytes": "max-disk-mb",
    "packed_bytes": "max-packed-mb",
}


def show() -> None:
    shared.heading(
        "Break-even",
        "Compressing costs work now and saves a little with every inference. N* is the number of inferences after"
        " which it has paid for itself. Which method is the cheapest depends on how many you will serve.",
    )
    inference, _ = shared.rows()
    board = shared.choose_board(inference, "calculator")
    measured = ratios.succeeded(board) & board["reference_seconds_per_inference"].notna()
    if not measured.any():
        st.info("No method of this board has been measured beside its reference: there is nothing to compare.")
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
    """Sliders for the numbers of inferences, fields for prices."""
    left, right = st.columns(2)
    n = left.select_slider(
        "Inferences to serve from now on", STEPS, value=10**6, format_func=inferences, key="calculator_n"
    )
    served = right.select_slider(
        "N₀: already served by the original", [0, *STEPS], value=0, format_func=inferences, key="calculator_served"
    )
    price = rows["usd_per_hour"].dropna()
    default = float(price.iloc[0]) if len(price) else None
    a, b, c, d = st.columns([1.3, 1, 1, 1.3], vertical_alignment="bottom")
    unit = a.segmented_control(
        "Count in",
        list(COUNTED_IN),
        default="hours" if default is None else "usd",
        format_func=COUNTED_IN.get,
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
            help="Starts at the price of the hardware profile that the rows carry, where it has one.",
        )
    spent = d.toggle("Include what is already spent", value=True, key="calculator_spent", help=SPENT)
    own = {name: price if unit == "usd" and price != default else None for name, price in prices.items()}
    return Demand(inferences=n, served=served, unit=unit, spent=spent, **own)


def limits_of() -> tuple[float, dict[str, float | None]]:
    """The least quality, and upper limits of latency, memory and size."""
    first, *others = st.columns(1 + len(LIMITS), vertical_alignment="bottom")
    gate = controls.gate(first, "calculator")
    limits: dict[str, float | None] = {}
    for place, column in zip(others, LIMITS, strict=True):
        limits |= controls.budgets(place, "calculator", [column])
    return gate, limits


def answer(costs: pd.DataFrame, demand: Demand) -> None:
    """The cheapest at N, what it ties with, and the first to pay off."""
    eligible = costs[costs["eligible"]]
    if eligible.empty:
        st.warning(f"No method may be chosen: {why_none(costs, demand)}", icon=":material/block:")
        return
    best = costs[costs["cheapest"]].iloc[0]
    ties = [chain for chain in costs.loc[costs["tied"], "chain"] if chain != best["chain"]]
    tie = f"tied with {', '.join(ties)}" if ties else "cheaper than every other beyond doubt"
    total = f"{spelled(best['total'], demand)}, {tie}"
    saved = "itself the original" if best["chain"] == protocol.REFERENCE else f"by {best['chain']}"
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
    """Why nothing is eligible."""
    if costs["total"].isna().all():
        needed = {"usd": "a price", "joules": "measured energy, or watts in the profile"}
        return f"no cost in {COUNTED_IN[demand.unit]} is known, which needs {needed.get(demand.unit, 'times')}."
    return "every row is below the quality gate, over a limit, contended, or failed. Loosen a limit."


def spelled(value: float, demand: Demand) -> str:
    """A cost with its unit."""
    unit = COUNTED_IN[demand.unit]
    if pd.isna(value):
        return GAP
    return shared.money(value) if unit == US_DOLLARS else f"{number(value)} {'h' if unit == HOURS else unit}"


def show_table(costs: pd.DataFrame, demand: Demand) -> None:
    """Every method, the cheapest that may be chosen first."""

    def spell(value: float) -> str:
        return spelled(value, demand)

    def saved(row: pd.Series) -> Cell:
        return Cell(GAP) if row["chain"] == protocol.REFERENCE else table.number(row["saved"], spell)

    columns = [
        METHOD,
        Column("N*", pays_off, "Inferences after which it has paid for itself; below, its 95 % interval."),
        Column(
            f"Total at {inferences(demand.inferences)}",
            lambda row: table.number(row["total"], spell, interval_of_total(row, spell)),
            "Below, at both ends of the interval of the speed-up, or of the energy measured.",
        ),
        Column("Saved", saved, "Against serving all with the original."),
        Column(
            "Per million", lambda row: table.number(row["c"] * 1e6, spell), "The original's, over the paired ratio."
        ),
        Column(
            "To make it", lambda row: table.number(row["making"], spell), "Compressing with fine-tuning, and export."
        ),
        Column(
            "Quality kept",
            lambda row: table.number(row["quality_ratio"], percent, interval(row, "quality_kept_ci", percent)),
        ),
        FLAGS,
    ]
    table.show(columns, costs, "calculator_table", pale=lambda row: not row["eligible"])
    st.caption("Pale: may not be chosen, because below the quality gate, over a limit, contended, or failed.")


def pays_off(row: pd.Series) -> Cell:
    """N* with its interval, or that it never comes; the original has none."""
    if row["chain"] == protocol.REFERENCE:
        return Cell("the original")
    return table.number(row["break_even"], inferences, span(*stars(row), inferences))


def interval_of_total(row: pd.Series, spell: object) -> str | None:
    """A total at both ends; None where they are the same."""
    low, high = row["total_low"], row["total_high"]
    return None if pd.isna(low) or low == high else span(low, high, spell)  # type: ignore[arg-type]


def show_command(row: pd.Series, demand: Demand, gate: float, limits: dict[str, float | None]) -> None:
    """The same question for the terminal."""
    st.markdown("**The same in the terminal**")
    st.code(command(row, demand, gate, limits), language="bash", wrap_lines=True)
    if demand.serving is not None or demand.making is not None or not demand.spent:
        st.caption(
            "The command takes the prices of the rows and counts what is already spent: its totals differ from the"
            " ones above."
        )


def command(row: pd.Series, demand: Demand, gate: float, limits: dict[str, float | None]) -> str:
    """`breakeven cheapest` with what the controls say."""
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
