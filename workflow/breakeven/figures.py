"""Numbers and flags of the boards as text, the same in the terminal and in the dashboard."""

from __future__ import annotations

import math

import pandas as pd

GAP = "–"  # where there is no number
FLAGS = {"contended": (True, "contended"), "unstable": (True, "unstable"), "timed_alone": (False, "not timed alone")}


def notes(row: pd.Series) -> list[str]:
    """Why a ranked frame's row has no rank, and what to mind where it has one."""
    if row["board"] == "gap":
        return [str(row["status"])]
    found = []
    if pd.isna(row["quality_ratio"]):
        found.append("no reference")
    elif row["board"] == "open":
        found.append("open")
    return found + [text for flag, (bad, text) in FLAGS.items() if row.get(flag) == bad]


def number(value: float) -> str:
    """Three significant digits at least, no exponent below a thousand million."""
    if pd.isna(value):
        return GAP
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def inferences(value: float) -> str:
    """A number of inferences: 12 k, 3.4 M, never."""
    if pd.isna(value):
        return GAP
    if math.isinf(value):
        return "never"
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:,.3g} {unit}"
    return f"{math.ceil(value)}"


def size(value: float) -> str:
    """Bytes as MB."""
    return GAP if pd.isna(value) else f"{value / 1e6:.3g} MB"


def times(value: float) -> str:
    """A ratio to the reference."""
    return GAP if pd.isna(value) else f"{value:.2f}×"


def percent(value: float) -> str:
    """A share."""
    return GAP if pd.isna(value) else f"{value:.1%}"


def quality(value: float) -> str:
    """Four digits: the gate lies at one per cent."""
    return GAP if pd.isna(value) else f"{value:.4g}"
