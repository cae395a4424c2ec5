"""Curves: what a method keeps of the quality and gives in speed as it compresses more."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views import curve_charts, shared, table
from views.inference_board import KEPT, METHOD, interval
from views.labels import labels, show_gaps, warn_if_contended
from views.table import Cell, Column

from breakeven.scoring import leaderboard
from breakeven.scoring.curves import Curve, curves
from breakeven.scoring.wording import times

PAPER = "https://arxiv.org/abs/2003.03033"
HOW_TO_MAKE_ONE = (
    "**No curve here yet.** Chains that differ in the value of one parameter make one. Add such a line to a grid of"
    " yours, or run one that has three of them:"
)
LINE = "curve: {magnitude_pruning: {sparsity: [0.5, 0.75, 0.875, 0.9375, 0.96875]}}"
COMMAND = "snakemake --cores all --configfile workflow/config/curves.yaml"


def show() -> None:
    shared.heading(
        "Curves",
        "One point says little about a method. Here each is shown at several strengths: what it keeps of the quality,"
        " and what becomes of the speed that its arithmetic promises.",
    )
    inference, _ = shared.rows()
    found = curves(inference)
    if not found:
        st.info(HOW_TO_MAKE_ONE, icon=":material/info:")
        st.code(LINE, language="yaml", wrap_lines=True)
        st.code(COMMAND, language="bash", wrap_lines=True)
        return
    on_curves = inference.loc[sorted({index for curve in found for index in curve.rows.index})]
    board = shared.choose_board(on_curves, "curves")
    own = [curve for curve in found if set(curve.rows.index) & set(board.index)]
    palette = curve_charts.colours(found)
    names = st.pills(
        "Curves",
        [curve.chain for curve in own],
        selection_mode="multi",
        default=[curve.chain for curve in own],
        key=f"curves_of_{board.index[0]}",
    )
    chosen = [curve for curve in own if curve.chain in names]
    amount, baseline = curve_charts.choose("curves")
    if not chosen:
        st.info("No curve is chosen.")
        return
    rows = leaderboard.rank(pd.concat([curve.rows for curve in chosen]))
    warn_if_contended(rows)
    curve_charts.show(chosen, amount, baseline, palette, "curves")
    st.caption(
        "Quality and efficiency as curves over the compression ratio, with the speed-up of the arithmetic and the one"
        f" measured beside each other, as asked for by Blalock et al. 2020, [What Is the State of Neural Network"
        f" Pruning?]({PAPER}) (arXiv:2003.03033)."
    )
    show_table(chosen, inference)
    show_gaps(rows[~rows.index.duplicated()], "chain")


def show_table(chosen: list[Curve], inference: pd.DataFrame) -> None:
    """The points of the curves, curve by curve."""
    ranked = leaderboard.rank(inference)
    lines = [
        ranked.loc[[index]].assign(curve=curve.chain, parameter=curve.parameter, value=str(value))
        for curve in chosen
        for index, value in curve.rows["value"].items()
    ]
    table.show(COLUMNS, pd.concat(lines), "curves_table", pale=lambda row: row["board"] != "closed")
    st.caption("Pale: below the quality gate, or failed.")


def sort_of(value: str) -> float | str:
    """Numbers sort as numbers."""
    try:
        return float(value)
    except ValueError:
        return value


def ratio(column: str) -> object:
    """The cell of a ratio to the reference."""
    return lambda row: table.number(row[column], times)


COLUMNS = [
    METHOD,
    Column("Value", lambda row: Cell(row["value"], sort_of(row["value"]), row["parameter"])),
    KEPT,
    Column(
        "Parameters",
        ratio("compression_ratio"),
        "The compression ratio: nonzero parameters of the reference over the row's.",
    ),
    Column("Size", ratio("size_ratio"), "Of the file, against the reference's."),
    Column("Packed", ratio("packed_ratio"), "Of the file packed by zstd, against the reference's."),
    Column("By arithmetic", ratio("theoretical_speedup"), "The speed-up that fewer operations alone would give."),
    Column(
        "In its runtime",
        lambda row: table.number(row["compression_speedup"], times, interval(row, "compression_speedup_ci", times)),
        "The speed-up over fp32 in the same runtime; below, the 95 % interval.",
    ),
    Column(
        "Speed-up",
        lambda row: table.number(row["speedup"], times, interval(row, "speedup_ci", times)),
        "Over fp32 in eager torch; below, the 95 % interval.",
    ),
    Column("Badges and flags", lambda row: Cell(labels=labels(row), sort=len(labels(row))), right=False, wrap=True),
]

show()
