"""The training board: a tab of the leaderboard page."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from views import shared

from breakeven import leaderboard


def show(training: pd.DataFrame, picked: dict[str, list[str]]) -> None:
    if training.empty:
        st.info("No training rows yet: the run is not finished, or its grid trains nothing for the training board.")
        return
    st.caption(
        "Ranked by training time among runs timed alone, without foreign load, whose quality lies within 1 % of the"
        " single-device run's. Efficiency is t(1) / (N · t(N)) on the same kind of device. Evaluation and start-up are"
        " off the clock."
    )
    for key, rows in leaderboard.boards(training, ["source", *leaderboard.TRAINING_BOARD]):
        board = shared.narrowed(leaderboard.rank_trainings(rows), picked)
        if board.empty:
            continue
        seed = f" · seed {key['seed']}" if training["seed"].nunique() > 1 else ""
        source = f" · {key['source']}" if training["source"].nunique() > 1 else ""
        st.subheader(f"{key['task']}{seed}{source}")
        shown = table(board)
        st.dataframe(
            shown,
            hide_index=True,
            column_config=columns(shown),
            height=shared.table_height(board),
            placeholder="–",
            key="training_" + "_".join(map(str, key.values())),
        )
        shared.show_gaps(board, "training")


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns shown of the training board."""
    shown = rows[["rank", "training"]].copy()
    shown["flags"] = [shared.flags(row) for _, row in rows.iterrows()]
    shown["quality"], shown["quality_ratio"] = rows["quality"], rows["quality_ratio"] * 100
    for name in ("train_time_s", "speedup", "scaling_efficiency", "world_size", "samples_per_s", "train_usd"):
        shown[name] = rows[name]
    shown["to_target"] = [target(value) for value in rows["time_to_target_s"]]
    return shown


def target(seconds: float) -> str:
    """Time to target; a target that was missed takes for ever."""
    return "–" if pd.isna(seconds) else "missed" if seconds == float("inf") else f"{seconds:.1f} s"


def columns(shown: pd.DataFrame) -> dict[str, object]:
    """How each column of the table is shown."""
    return {
        "rank": st.column_config.NumberColumn("#", pinned=True, width=40),
        "training": st.column_config.TextColumn("Training", pinned=True, width=190),
        "flags": shared.flag_column(shown),
        "quality": st.column_config.NumberColumn("Quality", format="%.4f"),
        "quality_ratio": st.column_config.NumberColumn("of single device", format="%.1f %%"),
        "train_time_s": st.column_config.NumberColumn("Time", format="%.1f s"),
        "speedup": st.column_config.NumberColumn("Speed-up", format="%.2f×"),
        "scaling_efficiency": st.column_config.ProgressColumn(
            "Efficiency", format="percent", min_value=0.0, max_value=1.0, width=130, help="t(1) / (N · t(N))"
        ),
        "world_size": st.column_config.NumberColumn("Processes"),
        "samples_per_s": st.column_config.NumberColumn("Samples", format="%.0f /s"),
        "train_usd": st.column_config.NumberColumn("US$", format="$%.5f"),
        "to_target": st.column_config.TextColumn("To target", alignment="right"),
    }
