"""The page Scaling: the fastest training method by number of devices, link and size of the model."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st
from views import scaling_charts, scaling_wins, shared, table, training_board
from views.labels import not_drawn, show_gaps
from views.scaling_charts import TIMES, Look

from breakeven.protocol import SINGLE_DEVICE
from breakeven.scoring import leaderboard, ratios, scaling
from breakeven.scoring.scaling import Win

HOW_TO_MAKE_ONE = (
    "**No training on several devices here yet.** Add `ddp@cpu_2x1` to the `training` of your grid, or run the grid"
    " below, which has every distributed training method, with and without a slow link:"
)
COMMAND = "snakemake --cores all --configfile workflow/config/distributed.yaml"


def show() -> None:
    shared.heading(
        "Scaling",
        "The fastest training method for a number of devices, a link between them and a size of the model. Training on"
        " one of the devices is a training method, too.",
    )
    _, training = shared.rows()
    if training["training_method"].eq(SINGLE_DEVICE).all():
        st.info(HOW_TO_MAKE_ONE, icon=":material/info:")
        st.code(COMMAND, language="bash", wrap_lines=True)
        return
    by = st.segmented_control(
        "Judged by",
        list(TIMES),
        default="train_time_s",
        format_func=TIMES.__getitem__,
        required=True,
        key="scaling_by",
        help="Every training method trains for the same fixed budget. The time to target ends at the task's quality"
        " target.",
    )
    scaling_wins.show(training, by)
    st.header("One task", divider="gray")
    board = leaderboard.rank_trainings(choose(training))
    look = Look.of(training)
    show_devices(board, by, look)
    show_links(board, by, look)
    show_cost(board, by, look)
    show_memory_and_bytes(board, by, look)
    st.subheader("All runs of this board")
    table.show(training_board.COLUMNS, board, "scaling_rows", pale=lambda row: pd.isna(row["rank"]))
    st.caption("Pale rows are not compared. Hover over a flag for its reason.")
    show_gaps(board, "trained_as")


def choose(training: pd.DataFrame) -> pd.DataFrame:
    """Show controls that pick a board; return its rows."""
    left, right = st.columns(2)
    task = left.selectbox("Task", sorted(training["task"].unique()), key="scaling_task")
    found = [rows for _, rows in leaderboard.boards(training[training["task"] == task], scaling_wins.KEY)]
    found.sort(key=lambda rows: int(ratios.succeeded(rows).sum()), reverse=True)
    if len(found) == 1:
        return found[0]
    names = [scaling_wins.told_apart(rows, pd.concat(found)) for rows in found]
    picked = right.selectbox("Board", range(len(found)), format_func=names.__getitem__, key=f"scaling_board_{task}")
    return found[picked]


def show_devices(board: pd.DataFrame, by: str, look: Look) -> None:
    """Show the efficiency and the time against the number of processes."""
    st.subheader("Devices")
    look.legend(board)
    left, right = st.columns(2)
    with left:
        if board["scaling_efficiency"].notna().any():
            st.altair_chart(scaling_charts.efficiency_chart(board, by, look), width="stretch", key="scaling_efficiency")
        else:
            st.info("The efficiency is unknown: there is no single-device run to compare with.")
    with right:
        if drawable(board, by):
            st.altair_chart(scaling_charts.time_chart(board, by, look), width="stretch", key="scaling_time")
        else:
            st.info(f"No run has a {TIMES[by].lower()}.")
    st.caption(
        "Efficiency: t(1) / (N · t(N)) of the training time. Dashed: the ideal. Each line starts at the single-device"
        f" run with as many threads per process. Hollow: not compared. {scaling_wins.COMPARED} One run has no"
        " interval."
    )
    say_missing(board, by)


def drawable(board: pd.DataFrame, by: str) -> bool:
    """Say whether any row has the time."""
    return bool(board[by].astype(float).replace(math.inf, math.nan).notna().any())


def say_missing(board: pd.DataFrame, by: str) -> None:
    """Name the runs that a chart lacks: those that missed the target, and those without the time."""
    missed = board[board[by] == math.inf]
    if len(missed):
        names = shared.plain(", ".join(missed["trained_as"]))
        st.caption(f"Missed the target, and therefore in no chart of the time: {names}.")
    not_drawn(board[ratios.succeeded(board)], by, "trained_as")


def show_links(board: pd.DataFrame, by: str, look: Look) -> None:
    """Show the time against the rate of the link, and name the fastest training method for each link."""
    st.subheader("Link")
    shapes: dict[str, list[Win]] = {}
    for win in scaling.wins(board, by):
        if win.processes:
            shapes.setdefault(f"{win.processes} × {scaling_wins.counted(win.threads)}", []).append(win)
    if not shapes:
        st.info("No run on several devices has succeeded here.")
        return
    shape = next(iter(shapes))
    if len(shapes) > 1:
        shape = st.segmented_control("Processes", list(shapes), default=shape, required=True, key="scaling_shape")
    own = shapes[shape]
    here = board["hardware"].isin([win.hardware for win in own])
    one = board["training_method"].eq(SINGLE_DEVICE) & board["threads"].eq(own[0].threads)
    rows = board[here | one]
    if drawable(rows[rows["training_method"] != SINGLE_DEVICE], by):
        look.legend(rows)
        st.altair_chart(scaling_charts.link_chart(rows, by, look), width="stretch", key="scaling_link")
    st.markdown("\n".join(line_of(win, board, by) for win in sorted(own, key=lambda each: each.rate)))
    slow = "" if any(math.isfinite(win.rate) for win in own) else (
        " No run here has a throttled link: hardware profiles such as cpu_2x1_200mbit set one."
    )  # fmt: skip
    st.caption(
        "Dashed grey: one device, which needs no link. Dotted lines lead to the unthrottled link, whose rate is"
        f" unknown; it stands at the right end. Hollow: not compared.{slow}"
    )


def line_of(win: Win, board: pd.DataFrame, by: str) -> str:
    """Return the fastest training method for a link, as an item of a list."""
    said = (
        scaling_wins.told(win, by)
        if win.fastest
        else f"nothing can be compared ({scaling_wins.why_none(board, win.hardware, by)})"
    )
    return f"- **{scaling.link_of(win.rate)}:** {shared.plain(said)}."


def show_cost(board: pd.DataFrame, by: str, look: Look) -> None:
    """Show US$ against the time."""
    st.subheader("Cost")
    known = board[board["usd_per_hour"].notna()]
    if not drawable(known, by):
        st.info("No run has both a time and a price. The hardware profile states the price.")
        return
    look.legend(known)
    st.altair_chart(scaling_charts.cost_chart(known, by, look), width="stretch", key="scaling_cost")
    st.caption(
        "US$: the time at the profile's price. Runs on equally many devices of one price lie on a line. A training"
        " costs as much as on one device, divided by its efficiency. The grey line joins the compared runs that no"
        " other run beats in both. The price of a faster link is not counted."
    )


def show_memory_and_bytes(board: pd.DataFrame, by: str, look: Look) -> None:
    """Show the memory of a process, and the bytes that the processes send."""
    left, right = st.columns(2)
    with left:
        st.subheader("Memory per process")
        why = "No run here has recorded the memory of its processes."
        show_bars(board, "memory", "MB, of the process that held most", by, look, why)
        st.caption("Peak above the level after imports, with the task's data. Dashed: the single-device run. Sharding"
                   " sends more bytes to save memory.")  # fmt: skip
    with right:
        st.subheader("Bytes sent per step")
        why = "No bytes were counted here: counting needs a network namespace, which root can make on Linux."
        show_bars(board, "sent", "MB per step, of all processes together", by, look, why)
        st.caption("All bytes sent while the training clock ran, with TCP's overhead, divided by the steps. One process"
                   " sends nothing.")  # fmt: skip


def show_bars(board: pd.DataFrame, field: str, title: str, by: str, look: Look, none: str) -> None:
    """Show a figure of each row as a bar, or say why no row has it."""
    if scaling_charts.prepared(board, by)[field].notna().any():
        st.altair_chart(scaling_charts.bars(board, field, title, by, look), width="stretch", key=f"scaling_{field}")
    else:
        st.info(none)


show()
