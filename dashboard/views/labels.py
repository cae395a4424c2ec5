"""Badges and flags of a row with their reasons, and the gaps of a board."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views.shared import plain
from views.table import Label

from breakeven.scoring import ratios
from breakeven.scoring.wording import LABELS, badges, notes, number, percent, span

COLOURS = {
    "★ 99.9 %": "green",
    "verified": "green",
    "gate uncertain": "orange",
    "contended": "orange",
    "unstable": "orange",
    "not timed alone": "orange",
    "no reference": "orange",
}


def labels(row: pd.Series) -> tuple[Label, ...]:
    """What speaks for a ranked frame's row and what against it; of a failed one its status and its reason."""
    if row["board"] == "gap":
        return (Label(str(row["status"]), "red", str(row["reason"])),)
    return tuple(Label(text, COLOURS.get(text, "gray"), reason(text, row)) for text in badges(row) + notes(row))


def reason(label: str, row: pd.Series) -> str:
    """What a label means, with the row's own figure where one is behind it."""
    figure = {
        "★ 99.9 %": f"it keeps {fine(row['quality_ratio'])}",
        "open": f"it keeps {fine(row['quality_ratio'])} of the quality",
        "gate uncertain": f"here {span(row.get('quality_kept_ci_low'), row.get('quality_kept_ci_high'), fine)}",
        "contended": f"here {number(row['foreign_load_percent'])} %",
        "unstable": f"here {percent(row.get('speedup_cv'))}",
        "estimated": f"here {number(row['watts'])} W",
    }
    return f"{LABELS[label]} ({figure[label]})" if label in figure else LABELS[label]


def fine(share: float) -> str:
    """A share to a hundredth of a per cent: the gate lies at one per cent."""
    return f"{100 * share:.2f} %"


def badge_line(row: pd.Series) -> None:
    """A row's labels side by side; hovering one shows its reason."""
    with st.container(horizontal=True, gap="small"):
        for label in labels(row):
            st.badge(label.text, color=label.colour, help=plain(label.why))  # type: ignore[arg-type]


def show_gaps(rows: pd.DataFrame, name: str) -> None:
    """The cells of a ranked board that failed, with what to do about it."""
    for _, row in rows[rows["board"] == "gap"].iterrows():
        label = str(row["status"]).replace("_", " ")
        st.markdown(f":red-badge[{label}] **{plain(row[name])}** :small[:gray[{plain(row['reason'])}]]")


def not_drawn(rows: pd.DataFrame, column: str, name: str = "chain") -> None:
    """Which rows a chart lacks because they have no value in `column`, and why."""
    missing = rows[rows[column].isna()]
    if len(missing):
        items = [f"{plain(row[name])} ({plain(', '.join(why_missing(row)))})" for _, row in missing.iterrows()]
        st.caption(f"Not drawn, for want of a value: {'; '.join(items)}.")


def why_missing(row: pd.Series) -> list[str]:
    """A failed row's status, or the notes that a row without a value carries."""
    return [note.replace("_", " ") for note in notes(row) if note != "open"] or ["not recorded"]


def warn_if_contended(board: pd.DataFrame) -> None:
    """Say so where nothing of a board can be ranked because other programs were running."""
    measured = board[ratios.succeeded(board)]
    if len(measured) and ratios.flagged(measured, "contended").all():
        st.warning(
            "Every cell of this board was measured beside a foreign load (contended): shown, not ranked."
            " Measure again on a quiet machine: `snakemake --cores all --forcerun measure`.",
            icon=":material/warning:",
        )
