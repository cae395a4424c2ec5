"""The rows of a task: its reference, and the quality that methods keep against their speed-up."""

from __future__ import annotations

import json

import altair as alt
import pandas as pd
import streamlit as st
from views import charts, commands, method_rows, shared, table, training_board
from views.inference_board import QUALITY, interval
from views.labels import not_drawn, show_gaps, warn_if_contended
from views.method_rows import decided
from views.table import Column

from breakeven import protocol
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.wording import GAP, HELPED, number, quality
from breakeven.units.catalogue import DescribedTask

LENGTHS = ["length_p10", "length_p50", "length_p90", "length_max"]


def of(rows: pd.DataFrame, name: str) -> pd.Series:
    """Select the rows of a task, whatever its parameters."""
    return rows["task"].str.split("-").str[0].eq(name)


def show(found: DescribedTask, inference: pd.DataFrame, training: pd.DataFrame) -> None:
    """Show the rows of a task.

    Args:
        inference: rows of all tasks, with verdicts.
    """
    own, trained = inference[of(inference, found.name)], training[of(training, found.name)]
    if own.empty and trained.empty:
        st.info("This task has no rows yet. Measure it, then reload this page:")
        st.code(commands.first(found.name), language="bash", wrap_lines=True)
        st.caption(f"The rows go to a folder of their own. `BREAKEVEN_RESULTS=results/{found.name}` shows them.")
        return
    if len(own):
        several = own["task"].nunique() > 1
        by = ("task", "hardware", "scenario") if several else ("hardware", "scenario")
        show_board(shared.choose_board(own, f"task_{found.name}", by), inference)
    else:
        st.info("No chain was measured on this task: the run is not finished, or its grid has no chains.")
    if len(trained):
        st.markdown("**Training methods**")
        training_board.show_rows(trained, training, f"trained_{found.name}")


def show_board(board: pd.DataFrame, inference: pd.DataFrame) -> None:
    """Show a board of a task: the reference, the chart, the verdicts."""
    board = leaderboard.rank(board, ratios.SCENARIO_COST.get(str(board["scenario"].iloc[0]), "usd"))
    show_reference(board)
    warn_if_contended(board)
    points = prepared(board)
    if points.empty:
        st.info("No row of this board has both a quality and a speed-up.")
    else:
        charts.legend(inference, points, with_runtimes=True)
        st.altair_chart(
            chart(points, inference), width="stretch", alt="Quality kept against speed-up, with 95 % intervals"
        )
        st.caption(
            "Up and to the right is better. Bars: 95 % intervals. Where no bar shows, the interval is narrower than the"
            f" point. Dashed: the quality gate ({shared.exact(protocol.GATE)} of the reference's quality) and the"
            " reference's speed. Hollow: contended."
        )
    not_drawn(board.assign(drawn=board["speedup"].where(board["quality_ratio"].notna())), "drawn")
    summary(board)
    key = "_".join(str(board[field].iloc[0]) for field in ("task", "hardware", "scenario", "seed", "source"))
    table.show(columns(board), board, f"rows_{key}", pale=lambda row: row["board"] != "closed")
    st.caption(method_rows.WHEN_IT_HELPED)
    show_gaps(board, "chain")


def show_reference(board: pd.DataFrame) -> None:
    """Show the reference's headline figures, its other metrics, and the lengths of the inputs."""
    found = board[board["chain"] == protocol.REFERENCE]
    if found.empty or found["board"].iloc[0] == "gap":
        st.info("The reference was not measured on this board, so there is nothing to compare with.")
        return
    row = found.iloc[0]
    exact = interval(row, "quality_ci", quality)
    metric = row["metric"].replace("_", " ") + ("" if row["metric_unit"] == "ratio" else f" [{row['metric_unit']}]")
    shared.cards(
        [
            ("Quality of the reference", quality(row["quality"]), f"{metric} · {exact or 'no interval'}"),
            ("Test samples", GAP if pd.isna(row["n_eval"]) else f"{row['n_eval']:,.0f}", f"split: {row['split']}"),
            ("Training time", f"{number(row['train_time_s'])} s", f"trained as {row['trained_as']}"),
            (
                "Latency of a call, p50",
                f"{number(row['latency_p50_ms'])} ms",
                f"batch {row['batch_size']} · {row['hardware']}",
            ),
        ]
    )
    for text in (others(row), lengths(row)):
        if text:
            st.markdown(text)


def others(row: pd.Series) -> str:
    """Return the other metrics of the reference in words."""
    found = other_metrics(row)
    items = ", ".join(f"{shared.plain(name.replace('_', ' '))} {quality(value)}" for name, value in found.items())
    return f"**Other metrics:** {items}." if items else ""


def other_metrics(row: pd.Series) -> dict[str, float]:
    """Return the other metrics of a row by name."""
    return json.loads(row["other_metrics"]) if pd.notna(row["other_metrics"]) else {}


def lengths(row: pd.Series) -> str:
    """Return the lengths of the timed inputs in words."""
    if pd.isna(row["length_unit"]):
        return ""
    low, middle, high, most = (number(row[name]) for name in LENGTHS)
    return (
        f"**Lengths of the inputs**, in {shared.plain(row['length_unit'])}: median {middle}, 10th percentile {low},"
        f" 90th percentile {high}, maximum {most}."
    )


def prepared(board: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that can be drawn, with numbers as numbers."""
    numbers = ["quality_ratio", "quality_kept_ci_low", "quality_kept_ci_high", *ratios.SPEEDUPS]
    points = board.dropna(subset=["quality_ratio", "speedup"])
    drawn = points[["chain", "runtime", "verdict", "quality", *numbers]].astype(dict.fromkeys(numbers, float))
    return drawn.assign(contended=ratios.flagged(points, "contended"))


def chart(points: pd.DataFrame, inference: pd.DataFrame) -> alt.LayerChart:
    """Return the chart of the quality kept against the speed-up."""
    found = points[ratios.SPEEDUPS]
    ends = min(1.0, found.min(axis=None)), max(1.0, found.max(axis=None))
    heading = "Speed-up × over fp32 in eager torch"
    scale = alt.Scale(type="log", nice=False, padding=30)
    x = alt.X("speedup:Q", title=heading, scale=scale).axis(format=".6~g", values=charts.ticks(*ends))
    y_title = "Quality kept"
    y = alt.Y("quality_ratio:Q", title=y_title, scale=alt.Scale(zero=False, padding=12)).axis(format=".5~p")
    colour, known = charts.colours(inference), charts.runtimes(inference)
    shapes = alt.Scale(domain=list(known), range=[shape for shape, _ in known.values()])
    base = alt.Chart(points).encode(color=colour)
    rule = base.mark_rule(strokeWidth=1.2, opacity=0.55)
    upright = rule.transform_filter("isValid(datum.quality_kept_ci_low)").encode(
        x=x, y=alt.Y("quality_kept_ci_low:Q", title=y_title), y2="quality_kept_ci_high:Q"
    )
    across = rule.transform_filter("isValid(datum.speedup_ci_low)").encode(
        x=alt.X("speedup_ci_low:Q", title=heading), x2="speedup_ci_high:Q", y=y
    )
    point = base.mark_point(size=110, strokeWidth=2, filled=False, opacity=0.95).encode(
        x=x,
        y=y,
        fill=alt.condition("datum.contended", alt.value("transparent"), colour),
        shape=alt.Shape("runtime:N", legend=None, scale=shapes),
        tooltip=TOOLTIP,
    )
    gate, one = (
        alt.Chart(pd.DataFrame({"at": [at]})).mark_rule(strokeDash=[5, 4], color=charts.GREY, opacity=0.7)
        for at in (protocol.GATE, 1.0)
    )
    return charts.layered(420, gate.encode(y="at:Q"), one.encode(x="at:Q"), upright, across, point)


TOOLTIP = [
    alt.Tooltip("chain:N", title="Method"),
    alt.Tooltip("runtime:N", title="Runtime"),
    alt.Tooltip("verdict:N", title="Verdict"),
    alt.Tooltip("quality:Q", title="Quality", format=".4f"),
    alt.Tooltip("quality_ratio:Q", title="Quality kept", format=".2%"),
    alt.Tooltip("quality_kept_ci_low:Q", title="from", format=".2%"),
    alt.Tooltip("quality_kept_ci_high:Q", title="to", format=".2%"),
    alt.Tooltip("speedup:Q", title="Speed-up ×", format=".3f"),
]


def summary(board: pd.DataFrame) -> None:
    """Name the methods that helped in at least one row of a board, and the other methods."""
    found = board[decided(board["verdict"])]
    methods = ["+".join(part.partition("-")[0] for part in chain.split("+")) for chain in found["chain"]]
    counts = found["verdict"].str.startswith(HELPED).groupby(methods, sort=False).agg(["sum", "size"])
    for word, own in (("Helped", counts[counts["sum"] > 0]), ("Did not help", counts[counts["sum"] == 0])):
        if len(own):
            st.markdown(f"**{word}:** {', '.join(spelled(name, *own.loc[name]) for name in own.index)}.")


def spelled(method: str, helped: int, of: int) -> str:
    """Return a method's name, and in how many of several rows it helped."""
    return shared.plain(method + (f" ({helped} of {of} rows)" if of > 1 else ""))


def columns(board: pd.DataFrame) -> list[Column]:
    """Return the columns of a method's page, with the quality and the other metrics of the rows."""
    chain, verdict, *rest = (column for column in method_rows.COLUMNS if column.label not in ("Task", "Scenario"))
    names = dict.fromkeys(name for _, row in board.iterrows() for name in other_metrics(row))
    return [chain, verdict, QUALITY, *rest, *map(other_column, names)]


def other_column(name: str) -> Column:
    """Return the column of another metric, which is never ranked."""
    return Column(
        name.replace("_", " ").capitalize(),
        lambda row: table.number(other_metrics(row).get(name), quality),
        "Another metric of the task: shown beside the quality, never ranked.",
    )
