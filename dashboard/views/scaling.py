"""Scaling: which way of training wins on how many devices, over which link, for a model of which size."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st
from views import scaling_charts, shared, table, training_board
from views.inference_board import TASK
from views.labels import not_drawn, show_gaps, why_missing
from views.scaling_charts import TIMES, Look
from views.table import Cell, Column

from breakeven import leaderboard, ratios, scaling
from breakeven.figures import GAP, number, times
from breakeven.ranking import SAME
from breakeven.ratios import SINGLE
from breakeven.scaling import UNTHROTTLED, Win

HOW_TO_MAKE_ONE = (
    "**No training on several devices here yet.** Add `ddp@cpu_2x1` to the `training` of a grid of yours, or run the"
    " one that has every way of it, with and without a slow link:"
)
COMMAND = "snakemake --cores all --configfile workflow/config/distributed.yaml"
KEY = ["source", *ratios.TRAINING_KEY]
COMPARED = (
    f"Compared are runs timed alone, without foreign load, whose quality lies within {1 - leaderboard.GATE:.0%} of the"
    " single-device run's."
)


def show() -> None:
    shared.heading(
        "Scaling",
        "Which way of training wins where: on how many devices, over which link between them, and for a model of which"
        " size. Training on one of the devices is a choice, too.",
    )
    _, training = shared.rows()
    if training["training_method"].eq(SINGLE).all():
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
    show_wins(training, by)
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
    found = [rows for _, rows in leaderboard.boards(training[training["task"] == task], KEY)]
    found.sort(key=lambda rows: int(ratios.succeeded(rows).sum()), reverse=True)
    if len(found) == 1:
        return found[0]
    names = [told_apart(rows, pd.concat(found)) for rows in found]
    picked = right.selectbox("Board", range(len(found)), format_func=names.__getitem__, key=f"scaling_board_{task}")
    return found[picked]


def told_apart(board: pd.DataFrame, among: pd.DataFrame) -> str:
    """What tells a board from the others of `among`."""
    differing = [field for field in KEY if field != "task" and among[field].nunique(dropna=False) > 1]
    values = {field: board[field].iloc[0] for field in differing}
    return " · ".join(f"{field.replace('_', ' ')} {GAP if pd.isna(v) else v}" for field, v in values.items())


def won(training: pd.DataFrame, by: str) -> pd.DataFrame:
    """The boards that have something to compare, small models first: each with its ranked rows, what wins on each
    profile, and what tells it from others of its task."""
    lines = []
    for key, rows in leaderboard.boards(training, KEY):
        board = leaderboard.rank_trainings(rows)
        if wins := {win.hardware: win for win in scaling.wins(board, by)}:
            lines.append({"task": key["task"], "parameters": board["parameters"].max(), "board": board, "wins": wins})
    found = pd.DataFrame(lines)
    same = {task: pd.concat(list(boards)) for task, boards in found.groupby("task")["board"]}
    found["which"] = [told_apart(board, same[task]) for task, board in zip(found["task"], found["board"], strict=True)]
    return found.sort_values(["parameters", "task"], kind="stable")


def show_wins(training: pd.DataFrame, by: str) -> None:
    """The fastest on each profile, a line for each task."""
    found = won(training, by)
    every = sorted((win for wins in found["wins"] for win in wins.values()), key=lambda win: win.order, reverse=True)
    profiles = {win.hardware: win for win in every}  # of each the first in order: one that knows its processes
    ordered = sorted(profiles.values(), key=lambda win: win.order)
    columns = [task_column(), PARAMETERS, *(winner(win, by) for win in ordered)]
    table.show(columns, found, "scaling_wins")
    st.caption(
        f"The fastest by {TIMES[by].lower()}, small models first; = is a tie: times that differ by under {SAME:.0%}."
        f" Below, the speed-up over one device, and what comes next, with its time over the winner's. {COMPARED}"
        " One run has no interval. Hover a gap for its reason."
    )


def task_column() -> Column:
    """The task, and below it what tells its board from others of it."""

    def cell(line: pd.Series) -> Cell:
        found = TASK.cell(line)
        return Cell(found.text, found.sort, line["which"] or None, link=found.link, page=found.page)

    return Column("Task", cell, right=False)


PARAMETERS = Column(
    "Parameters",
    lambda line: table.number(line["parameters"] / 1e6, lambda value: f"{value:.3g} M"),
    "Of the task's model.",
)


def winner(profile: Win, by: str) -> Column:
    """The column of a hardware profile."""

    def cell(line: pd.Series) -> Cell:
        win = line["wins"].get(profile.hardware)
        if win is None:
            return Cell(GAP, why="not run")
        if not win.fastest:
            return Cell(GAP, why=why_none(line["board"], win.hardware, by))
        behind = f"; next {win.runner_up}, {times(win.behind)}" if win.runner_up else ""
        names = " = ".join(win.fastest)
        return Cell(names, names, f"{times(win.speedup)}{behind}", why=told(win, by))

    return Column(profile.hardware, cell, place(profile), right=False, wrap=True)


def place(win: Win) -> str:
    """A profile in words."""
    if win.processes is None:
        return "nothing has been trained there"
    return f"{win.processes} × {counted(win.threads)}, {link_of(win)}"


def counted(threads: int) -> str:
    """How many threads each process has."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def link_of(win: Win) -> str:
    """The link in words."""
    return UNTHROTTLED if math.isinf(win.rate) else f"{number(win.rate)} Mbit/s"


def told(win: Win, by: str) -> str:
    """A win as a sentence."""
    tied = "is fastest" if len(win.fastest) == 1 else "tie"
    over = "" if math.isnan(win.speedup) else f", {times(win.speedup)} the speed of one device"
    if win.fastest == (SINGLE,):
        tied, over = "is fastest (no way of distributing beats one of the devices)", ""
    then = f"; next {win.runner_up}, {times(win.behind)} its time" if win.runner_up else ""
    *others, last = win.fastest
    names = f"{', '.join(others)} and {last}" if others else last
    return f"{names} {tied}: {number(win.seconds)} s {TIMES[by].lower()}{over}{then}"


def why_none(board: pd.DataFrame, hardware: str, by: str) -> str:
    """Why nothing on a profile can be compared."""
    rows = board[board["hardware"] == hardware]
    said = [f"{row['training_method']}: {', '.join(why(row, by))}" for _, row in rows.iterrows()]
    return "; ".join(said)


def why(row: pd.Series, by: str) -> list[str]:
    """Why a row is not compared."""
    return ["missed the target"] if row[by] == math.inf else why_missing(row)


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
        f" run of as many threads per process. Hollow: not compared. {COMPARED} One run has no interval."
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
            shapes.setdefault(f"{win.processes} × {counted(win.threads)}", []).append(win)
    if not shapes:
        st.info("No run on several devices has succeeded here.")
        return
    shape = next(iter(shapes))
    if len(shapes) > 1:
        shape = st.segmented_control("Processes", list(shapes), default=shape, required=True, key="scaling_shape")
    own = shapes[shape]
    here = board["hardware"].isin([win.hardware for win in own])
    one = board["training_method"].eq(SINGLE) & board["threads"].eq(own[0].threads)
    rows = board[here | one]
    if drawable(rows[rows["training_method"] != SINGLE], by):
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
    said = told(win, by) if win.fastest else f"nothing can be compared ({why_none(board, win.hardware, by)})"
    return f"- **{link_of(win)}:** {shared.plain(said)}."


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
        if board["rank_memory_above_baseline_bytes"].notna().any():
            chart = scaling_charts.bars(board, "memory", "MB, of the process that held most", by, look)
            st.altair_chart(chart, width="stretch", key="scaling_memory")
        else:
            st.info("No run here has recorded it.")
        st.caption("Peak above the level after imports, with the task's data. Dashed: the single-device run. Sharding"
                   " is worth the bytes it sends where memory is short.")  # fmt: skip
    with right:
        st.subheader("Bytes sent per step")
        if scaling.bytes_per_step(board).notna().any():
            chart = scaling_charts.bars(board, "sent", "MB a step, of all processes together", by, look)
            st.altair_chart(chart, width="stretch", key="scaling_bytes")
        else:
            st.info("Nothing was counted here: that needs a network namespace, which root has on Linux.")
        st.caption("All that was sent on the training clock, over its steps, with what TCP adds. One process sends"
                   " nothing.")  # fmt: skip


show()
