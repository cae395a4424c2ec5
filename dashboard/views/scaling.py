"""Scaling: which way of training wins on how many devices, over which link, for a model of which size."""

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
    "**No training on several devices here yet.** Add `ddp@cpu_2x1` to the `training` of a grid of yours, or run the"
    " one that has every way of it, with and without a slow link:"
)
COMMAND = "snakemake --cores all --configfile workflow/config/distributed.yaml"


def show() -> None:
    shared.heading(
        "Scaling",
        "Which way of training wins where: on how many devices, over which link between them, and for a model of which"
        " size. Training on one of the devices is a choice, too.",
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
        format_func=TIMES.get,
        required=True,
        key="scaling_by",
        help="Of the fixed budget that every method trains for, or until the task's quality target is reached.",
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
    st.caption("Pale: not compared; hover a flag for its reason.")
    show_gaps(board, "training")


def choose(training: pd.DataFrame) -> pd.DataFrame:
    """The rows of one board, all of whose key is equal."""
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
    """Efficiency, and a time, against the number of processes."""
    st.subheader("Devices")
    look.legend(board)
    left, right = st.columns(2)
    with left:
        if board["scaling_efficiency"].notna().any():
            st.altair_chart(scaling_charts.efficiency_chart(board, by, look), width="stretch", key="scaling_efficiency")
        else:
            st.info("No efficiency: there is no single-device run to compare with.")
    with right:
        if drawable(board, by):
            st.altair_chart(scaling_charts.time_chart(board, by, look), width="stretch", key="scaling_time")
        else:
            st.info(f"No run has a {TIMES[by].lower()}.")
    st.caption(
        "Efficiency: t(1) / (N · t(N)), of the training time; dashed, the ideal. Each line starts at the single-device"
        f" run of as many threads per process. Hollow: not compared. {scaling_wins.COMPARED} One run has no interval."
    )
    say_missing(board, by)


def drawable(board: pd.DataFrame, by: str) -> bool:
    """Whether any row has the time."""
    return bool(board[by].astype(float).replace(math.inf, math.nan).notna().any())


def say_missing(board: pd.DataFrame, by: str) -> None:
    """Which runs a chart lacks: those that missed the target, and those without the figure."""
    missed = board[board[by] == math.inf]
    if len(missed):
        st.caption(f"Missed the target, so without a time in any chart: {shared.plain(', '.join(missed['training']))}.")
    not_drawn(board[ratios.succeeded(board)], by, "training")


def show_links(board: pd.DataFrame, by: str, look: Look) -> None:
    """A time against the rate of the link, and in words what wins at each."""
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
        " No run here has a throttled link: profiles such as cpu_2x1_200mbit name one."
    )  # fmt: skip
    st.caption(
        "Dashed grey: one device, which needs no link. Dotted: to the link that nothing throttles, which has no rate of"
        f" its own and stands at the right end. Hollow: not compared.{slow}"
    )


def line_of(win: Win, board: pd.DataFrame, by: str) -> str:
    """What wins over a link, as an item of a list."""
    said = (
        scaling_wins.told(win, by)
        if win.fastest
        else f"nothing can be compared ({scaling_wins.why_none(board, win.hardware, by)})"
    )
    return f"- **{scaling.link_of(win.rate)}:** {shared.plain(said)}."


def show_cost(board: pd.DataFrame, by: str, look: Look) -> None:
    """US$ against time."""
    st.subheader("Cost")
    known = board[board["usd_per_hour"].notna()]
    if not drawable(known, by):
        st.info("No run has both a price, which the hardware profile states, and a time.")
        return
    look.legend(known)
    st.altair_chart(scaling_charts.cost_chart(known, by, look), width="stretch", key="scaling_cost")
    st.caption(
        "The time at the profile's price: runs on as many devices of one price lie on a line. A training costs what one"
        " device does, divided by its efficiency: time is bought. The grey line joins the compared runs that no other"
        " beats in both. What a faster link costs is not counted."
    )


def show_memory_and_bytes(board: pd.DataFrame, by: str, look: Look) -> None:
    """What a process holds, and what the processes send."""
    left, right = st.columns(2)
    with left:
        st.subheader("Memory per process")
        show_bars(board, "memory", "MB, of the process that held most", by, look, "No run here has recorded it.")
        st.caption("Peak above the level after imports, with the task's data. Dashed: the single-device run. Sharding"
                   " is worth the bytes it sends where memory is short.")  # fmt: skip
    with right:
        st.subheader("Bytes sent per step")
        why = "Nothing was counted here: that needs a network namespace, which root has on Linux."
        show_bars(board, "sent", "MB a step, of all processes together", by, look, why)
        st.caption("All that was sent on the training clock, over its steps, with what TCP adds. One process sends"
                   " nothing.")  # fmt: skip


def show_bars(board: pd.DataFrame, field: str, title: str, by: str, look: Look, none: str) -> None:
    """A figure of each row as a bar, or why no row has it."""
    if scaling_charts.prepared(board, by)[field].notna().any():
        st.altair_chart(scaling_charts.bars(board, field, title, by, look), width="stretch", key=f"scaling_{field}")
    else:
        st.info(none)


show()
