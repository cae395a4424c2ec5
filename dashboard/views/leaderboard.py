"""The page of the ranked boards, with filters and budgets, and of the training board."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views import controls, inference_board, shared, training_board
from views.controls import Ranking
from views.inference_board import interval

from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.wording import inferences, times


def show() -> None:
    shared.heading(
        "Leaderboard",
        "Methods that make a model cheaper without losing quality. Ranks hold within one task, one machine and one"
        " scenario. A rank with = is shared, because the measurement cannot tell its rows apart. Hover over a badge or"
        " a flag for its reason. Click a method for all that is recorded about it.",
    )
    inference, training = shared.rows()
    picked = controls.filters(inference, training)
    limits = controls.budgets(st.sidebar.expander("Budgets"), "board", list(controls.BUDGETS))
    served, trained = st.tabs(["Inference", "Training"])
    with served:
        show_inference(inference, picked, limits)
    with trained:
        training_board.show(training, picked)


def show_inference(inference: pd.DataFrame, picked: dict[str, list[str]], limits: dict[str, float | None]) -> None:
    """Show the ranked boards of the rows that pass the filters."""
    if inference.empty:
        st.info("No inference rows yet: the run is not finished, or its grid has no chains.")
        return
    how = controls.ranking(inference, "board")
    ranked = rank(inference[inference["scenario"] == how.scenario], how, limits)
    chosen = shared.narrowed(ranked, picked)
    if chosen.empty:
        st.info("No row passes these filters: clear one.")
        return
    if any(limit is not None for limit in limits.values()):
        over = int((~leaderboard.within(chosen, limits) & ratios.succeeded(chosen)).sum())
        st.info(f"Budgets are set: {over} of {len(chosen)} rows exceed one, or lack its figure, and are not ranked.")
    summary(chosen)
    for key, rows in leaderboard.boards(chosen, ["source", *ratios.KEY]):
        inference_board.show(key, rows, how.by, inference)
    st.download_button(
        "These rows as CSV", lambda: chosen.to_csv(index=False), "breakeven.csv", "text/csv", icon=":material/download:"
    )


def rank(rows: pd.DataFrame, how: Ranking, limits: dict[str, float | None]) -> pd.DataFrame:
    """Return the rows in order, ranked within each source."""
    sources = [leaderboard.rank(own, how.by, how.gate, limits) for _, own in rows.groupby("source")]
    return pd.concat(sources)


def summary(rows: pd.DataFrame) -> None:
    """Show the headline figures of the rows shown."""
    good = rows[ratios.succeeded(rows)]
    closed = good[good["board"].eq("closed") & ~ratios.flagged(good, "contended")]
    failed = len(rows) - len(good)
    detail = f"{failed} failed, shown as gaps with a reason" if failed else "none failed"
    cards = [("Cells measured", f"{len(good)} of {len(rows)}", detail)]
    for label, column in (("Fastest", "speedup"), ("Smallest file", "size_ratio")):
        if closed[column].notna().any():
            best = closed.loc[closed[column].idxmax()]
            exact = interval(best, "speedup_ci", times) if column == "speedup" else None
            detail = f"{best['chain']} · {best['task']}" + (f" · {exact}" if exact else "")
            cards.append((f"{label} within the gate", times(best[column]), detail))
    if closed["break_even"].notna().any():
        best = closed.loc[closed["break_even"].idxmin()]
        text = f"{best['chain']} · {best['task']}"
        cards.append(("Pays off soonest", inferences(best["break_even"]), text))
    shared.cards(cards)


show()
