"""The rows of a method: its verdicts, its curves, its trainings."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views import curve_charts, shared, table, training_board
from views.inference_board import IN_ITS_RUNTIME, KEPT, PACKED, SIZE, SPEEDUP, TASK, link_to
from views.table import Cell, Colour, Column, Label

from breakeven import protocol
from breakeven.scoring import leaderboard
from breakeven.scoring.curves import Curve, curves
from breakeven.scoring.wording import GAP, HELPED, verdict
from breakeven.units.catalogue import DescribedMethod

WHEN_IT_HELPED = (
    f"Helped: it meets the quality gate ({shared.exact(protocol.GATE)}), and either it is faster than fp32 in its own"
    " runtime with a 95 % interval above 1, or its file is smaller, as it is or packed. A runtime alone is compared"
    " with fp32 in eager torch. Hover over a verdict for its figures."
)
COLOURS: dict[str, Colour] = {
    "no gain": "gray",
    "the reference": "gray",
    "failed": "red",
}  # of a verdict; below the gate is orange


def with_verdicts(inference: pd.DataFrame) -> pd.DataFrame:
    """Return the inference rows, ranked, with the columns `verdict` and `why`."""
    ranked = leaderboard.rank(inference).loc[inference.index]
    found = [verdict(row) for _, row in ranked.iterrows()]
    return ranked.assign(verdict=[word for word, _ in found], why=[why for _, why in found])


def used(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return how each row uses a method: `alone`, in a `chain` with others, or not at all (empty)."""

    def how(method: str, runtime: str) -> str:
        compressions = [part.partition("-")[0] for part in method.split("+") if part != protocol.REFERENCE]
        served = runtime.partition("-")[0]
        if [name] == (compressions or [served]):
            return "alone"
        return "chain" if name in (*compressions, served) else ""

    return pd.Series(map(how, rows["method"], rows["runtime"]), index=rows.index, dtype=object)


def show_served(found: DescribedMethod, rows: pd.DataFrame) -> None:
    """Show the rows of a compression or a runtime."""
    how = used(rows, found.name)
    alone, chains = rows[how == "alone"], rows[how == "chain"]
    if alone.empty and chains.empty:
        st.info(f"No row uses {found.name}: add it to the `chains` of a grid and run it.")
        return
    for title, own, key in (("By itself", alone, "alone"), ("In chains with others", chains, "chains")):
        if len(own):
            st.markdown(f"**{title}**")
            summary(own)
            own = own.sort_values(["task", "scenario", "chain"], ascending=[True, False, True])
            table.show(COLUMNS, own, f"{key}_{found.name}", pale=lambda row: row["board"] != "closed")
    st.caption(WHEN_IT_HELPED)
    show_curves(found, rows)


def summary(rows: pd.DataFrame) -> None:
    """Name the boards on which at least one row of the method helped, and the other boards."""
    others = rows[decided(rows["verdict"])]
    found = others["verdict"].str.startswith(HELPED).groupby([others["task"], others["scenario"]], sort=False)
    counts = found.agg(["sum", "size"])
    for word, own in (("Helped on", counts[counts["sum"] > 0]), ("Did not help on", counts[counts["sum"] == 0])):
        if len(own):
            st.markdown(f"{word} {', '.join(spelled(*board, *own.loc[board]) for board in own.index)}.")


def helped(verdicts: pd.Series) -> Cell:
    """Return a cell with the number of rows in which the methods helped, of all rows with a verdict."""
    verdicts = verdicts[decided(verdicts)]
    count = int(verdicts.str.startswith(HELPED).sum())
    return Cell(f"{count} of {len(verdicts)}", count / len(verdicts)) if len(verdicts) else Cell(GAP)


def decided(verdicts: pd.Series) -> pd.Series:
    """Select the verdicts that decide: those of measured rows that have a reference and are not one."""
    return verdicts.str.startswith(HELPED) | verdicts.isin(["no gain", "below the quality gate"])


def spelled(task: str, scenario: str, helped: int, of: int) -> str:
    """Return a board's name, and in how many of several rows a method helped."""
    share = f", {helped} of {of} rows" if of > 1 else ""
    return shared.plain(f"{task} ({scenario.replace('_', ' ')}{share})")


def show_curves(found: DescribedMethod, rows: pd.DataFrame) -> None:
    """Show the curves of a method on a chosen board."""
    every = curves(rows)
    own = [curve for curve in every if curve.step == found.name]
    if not own:
        return
    st.markdown("**At several strengths**")
    boards: dict[str, list[Curve]] = {}
    for curve in own:
        boards.setdefault(board_of(curve.rows.iloc[0]), []).append(curve)
    board = st.selectbox("Board", list(boards), key=f"board_{found.name}")
    amount, baseline = curve_charts.choose("method")
    curve_charts.show(boards[board], amount, baseline, curve_charts.colours(every), f"method_{found.name}")


def board_of(row: pd.Series) -> str:
    """Return a board's name for a list."""
    parts = [row["task"], row["hardware"], shared.shown(row["scenario"]), f"seed {row['seed']}", row["source"]]
    return " · ".join([*parts, str(row["hardware_fingerprint"])[:8]])


def show_trained(found: DescribedMethod, training: pd.DataFrame) -> None:
    """Show the rows of a training method."""
    own = training[training["training_method"].str.split("-").str[0] == found.name]
    if own.empty:
        st.info(f"No row is trained by {found.name}: add it to `training` in a grid and run it.")
        return
    training_board.show_rows(own, training, f"trained_{found.name}")


def judged(row: pd.Series) -> Cell:
    """Return a cell with a verdict; hovering it shows the figures."""
    word = row["verdict"]
    colour = "green" if word.startswith(HELPED) else COLOURS.get(word, "orange")
    return Cell(labels=(Label(word, colour, row["why"]),), sort=word)


COLUMNS = [
    Column("Chain", lambda row: Cell(row["chain"], row["chain"], link=link_to(row)), right=False),
    TASK,
    Column(
        "Scenario",
        lambda row: Cell(row["scenario"].replace("_", " "), row["scenario"], row["hardware"]),
        right=False,
    ),
    Column("Verdict", judged, right=False, wrap=True),
    KEPT,
    SPEEDUP,
    IN_ITS_RUNTIME,
    SIZE,
    PACKED,
]
