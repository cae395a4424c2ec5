"""The page of curves: the quality kept and the speed-up of a method at several strengths."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views import curve_charts, shared, table
from views.inference_board import FLAGS, IN_ITS_RUNTIME, KEPT, METHOD, PACKED, SIZE, SPEEDUP, THEORETICAL
from views.labels import show_gaps, warn_if_contended
from views.table import Cell, Column

from breakeven.scoring import leaderboard
from breakeven.scoring.curves import Curve, curves
from breakeven.scoring.wording import times

PAPER = "https://arxiv.org/abs/2003.03033"
HOW_TO_MAKE_ONE = (
    "**No curve here yet.** A curve needs chains that differ in the value of one parameter. Add a line like this one to"
    " your grid, or run the grid below, which has three curves:"
)
LINE = "curve: {magnitude_pruning: {sparsity: [0.5, 0.75, 0.875, 0.9375, 0.96875]}}"
COMMAND = "snakemake --cores all --configfile workflow/config/curves.yaml"


def show() -> None:
    shared.heading(
        "Curves",
        "One point says little about a method. A curve shows a method at several strengths: the quality that it keeps,"
        " the speed-up that its arithmetic promises, and the speed-up that was measured.",
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
        st.info("No curve is chosen: pick one above.")
        return
    rows = leaderboard.rank(pd.concat([curve.rows for curve in chosen]))
    warn_if_contended(rows)
    curve_charts.show(chosen, amount, baseline, palette, "curves")
    st.caption(
        "Blalock et al. 2020 ask for such curves: quality and speed-up against the compression ratio, with the"
        " theoretical and the measured speed-up side by side. See [What Is the State of Neural Network"
        f" Pruning?]({PAPER}) (arXiv:2003.03033)."
    )
    show_table(chosen, inference)
    show_gaps(rows[~rows.index.duplicated()], "chain")


def show_table(chosen: list[Curve], inference: pd.DataFrame) -> None:
    """Show the points of the curves in a table, curve by curve."""
    ranked = leaderboard.rank(inference)
    lines = [
        ranked.loc[[index]].assign(curve=curve.chain, parameter=curve.parameter, value=str(value))
        for curve in chosen
        for index, value in curve.rows["value"].items()
    ]
    table.show(COLUMNS, pd.concat(lines), "curves_table", pale=lambda row: row["board"] != "closed")
    st.caption("Pale rows are below the quality gate, or failed.")


def sort_of(value: str) -> float | str:
    """Return the sort key of a parameter's value: a number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


COLUMNS = [
    METHOD,
    Column("Value", lambda row: Cell(row["value"], sort_of(row["value"]), row["parameter"])),
    KEPT,
    Column(
        "Parameters",
        lambda row: table.number(row["compression_ratio"], times),
        "The compression ratio: the reference's nonzero parameters divided by the row's.",
    ),
    SIZE,
    PACKED,
    THEORETICAL,
    IN_ITS_RUNTIME,
    SPEEDUP,
    FLAGS,
]

show()
