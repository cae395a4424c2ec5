"""Controls that several pages share: filters, the ranking, the quality gate, and budgets."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st
from views import shared

from breakeven import protocol
from breakeven.scoring import ratios

CHOICES = {"task": "Task", "hardware": "Hardware", "method": "Method", "runtime": "Runtime"}
# column: the label of its field, and the factor from a typed number to the column's unit
BUDGETS = {
    "latency_p50_ms": ("Latency p50 of a call, ms", 1.0),
    "memory_above_baseline_bytes": ("Memory above imports, MB", 1e6),
    "disk_bytes": ("Size on disk, MB", 1e6),
    "packed_bytes": ("Size packed, MB", 1e6),
    "energy_j_per_sample": ("Energy per sample, mJ", 1e-3),
    "usd_per_million": ("US$ per million inferences", 1.0),
}


@dataclass(frozen=True)
class Ranking:
    """The scenario to rank, the cost to rank by, and the quality gate."""

    scenario: str
    by: str
    gate: float


def ranking(inference: pd.DataFrame, page: str) -> Ranking:
    """Show controls for scenario, cost and quality gate; return the choice."""
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    scenarios = [name for name in shared.SCENARIOS if name in set(inference["scenario"])]
    scenario = left.selectbox("Scenario", scenarios, format_func=shared.shown, key=f"{page}_scenario")
    costs = list(ratios.COSTS)
    by = middle.selectbox(
        "Rank by",
        costs,
        index=costs.index(ratios.SCENARIO_COST.get(scenario, "usd")),
        format_func=lambda name: ratios.COSTS[name].label,
        key=f"{page}_by_{scenario}",
    )
    return Ranking(scenario, by, gate(right, page))


def gate(place: st.delta_generator.DeltaGenerator, page: str) -> float:
    """Show the control of the quality gate; return the least share of the reference's quality."""
    return place.slider(
        "Quality gate",
        min_value=0.90,
        max_value=1.0,
        value=protocol.GATE,
        step=0.001,
        format="%.3f",
        key=f"{page}_gate",
        help="The share of the reference's quality that a row must keep. Only rows at or above the gate are ranked (the"
        " closed board). The others are shown as 'open'.",
    )


def filters(inference: pd.DataFrame, training: pd.DataFrame) -> dict[str, list[str]]:
    """Show the sidebar's filters; return the picked values by column. An empty filter passes all rows."""
    st.sidebar.markdown("**Filters**")
    picked = {}
    for field, label in CHOICES.items():
        options = sorted({*inference[field], *training.get(field, [])})
        picked[field] = st.sidebar.multiselect(label, options, key=f"filter_{field}", placeholder="All")
    return picked


def budgets(place: st.delta_generator.DeltaGenerator, page: str, columns: list[str]) -> dict[str, float | None]:
    """Show a field for each upper limit; return the limits by column, None where a field is empty."""
    limits = {}
    for column in columns:
        label, factor = BUDGETS[column]
        limit = place.number_input(label, min_value=0.0, value=None, placeholder="no limit", key=f"{page}_{column}")
        limits[column] = None if limit is None else limit * factor
    return limits
