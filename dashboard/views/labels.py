"""Badges and flags of a row with their reasons, and the gaps of a board."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views.shared import plain
from views.table import Colour, Label

from breakeven.scoring import ratios
from breakeven.scoring.wording import LABELS, STAR, badges, notes, number, percent, span

COLOURS: dict[str, Colour] = {
    STAR: "green",
    "verified": "green",
    "gate uncertain": "orange",
    "contended": "orange",
    "unstable": "orange",
    "not timed alone": "orange",
    "no reference": "orange",
}


def labels(row: pd.Series) -> tuple[Label, ...]:
    """Return the badges and flags of a ranked frame's row; for a failed row its status and its reason."""
    if row["board"] == "gap":
        return (Label(str(row["status"]), "red", str(row["reason"])),)
    return tuple(Label(text, COLOURS.get(text, "gray"), reason(text, row)) for text in badges(row) + notes(row))


def reason(label: str, row: pd.Series) -> str:
    """Return the meaning of a label, with the row's own figure where it has one."""
    figure = {
        STAR: f"it keeps {fine(row['quality_ratio'])}",
        "open": f"it keeps {fine(row['quality_ratio'])} of the quality",
        "gate uncertain": f"here {span(row.get('quality_kept_ci_low'), row.get('quality_kept_ci_high'), fine)}",
        "contended": f"here {number(row['foreign_load_percent'])} %",
        "unstable": f"here {percent(row.get('speedup_cv'))}",
        "estimated": f"here {number(row['watts'])} W",
    }
    return f"{LABELS[label]} ({figure[label]})" if label in figure else LABELS[label]


def fine(share: float) -> str:
    """Format a share to a hundredth of a per cent, fine enough to compare it with the gate."""
    return f"{100 * share:.2f} %"


def badge_line(row: pd.Series) -> None:
    """Show a row's labels side by side; hovering over a label shows its reason."""
    with st.container(horizontal=True, gap="small"):
        for label in labels(row):
            st.badge(label.text, color=label.colour, help=plain(label.why))


def show_gaps(rows: pd.DataFrame, name: str) -> None:
    """Show the failed cells of a ranked board with their reasons."""
    for _, row in rows[rows["board"] == "gap"].iterrows():
        label = str(row["status"]).replace("_", " ")
        st.markdown(f":red-badge[{label}] **{plain(row[name])}** :small[:gray[{plain(row['reason'])}]]")


def not_drawn(rows: pd.DataFrame, column: str, name: str = "chain") -> None:
    """Name the rows that a chart lacks because they have no value in `column`, with the reasons."""
    missing = rows[rows[column].isna()]
    if len(missing):
        items = [f"{plain(row[name])} ({plain(', '.join(why_missing(row)))})" for _, row in missing.iterrows()]
        st.caption(f"Not drawn, because the value is missing: {'; '.join(items)}.")


def why_missing(row: pd.Series) -> list[str]:
    """Return a failed row's status, or the flags of a row without a value."""
    return [note.replace("_", " ") for note in notes(row) if note != "open"] or ["not recorded"]


def warn_if_contended(board: pd.DataFrame) -> None:
    """Warn where no row of a board can be ranked because other programs were running."""
    measured = board[ratios.succeeded(board)]
    if len(measured) and ratios.flagged(measured, "contended").all():
        st.warning(
            "Every row of this board is contended: other programs used the machine meanwhile. The rows are shown, not"
            " ranked. Measure again on an idle machine: `snakemake --cores all --forcerun measure`.",
            icon=":material/warning:",
        )
