"""The page of overall boards: a ranking of the methods over all tasks of a machine, with performance profiles."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from views import charts, controls, shared, table
from views.controls import Ranking
from views.table import Cell, Column

from breakeven import protocol
from breakeven.scoring import overall, ratios
from breakeven.scoring.wording import place, span, times


def show() -> None:
    shared.heading(
        "Overall",
        "Methods that are close to the cheapest on every task. The score is the share of tasks on which a method costs"
        f" at most τ times the cheapest, averaged over τ from 1 to {protocol.R_MAX:g}. Costs in different units are"
        " never averaged.",
    )
    inference, _ = shared.rows()
    if inference.empty:
        st.info(shared.NO_INFERENCE)
        return
    how = controls.ranking(inference, "overall")
    rows = inference[inference["scenario"] == how.scenario]
    found = 0
    for source, own in rows.groupby("source"):
        for key, board in overall.boards(own):
            found += 1
            title = f"{key['hardware']} · {shared.machines(board)[key['hardware_fingerprint']]}"
            st.subheader(shared.plain(title + (f" · {source}" if rows["source"].nunique() > 1 else "")))
            show_board(board, how, inference)
    if not found:
        st.info(
            "An overall board needs at least two tasks that the same machine has measured in this scenario. The"
            " leaderboard ranks each task by itself."
        )


def show_board(rows: pd.DataFrame, how: Ranking, inference: pd.DataFrame) -> None:
    """Show an overall board: scores, profiles, gains."""
    table_of_scores = placed(overall.overall(rows, how.by, how.gate))
    ranked = overall.ranked(rows, how.by, how.gate)
    cost = ratios.COSTS[how.by]
    gains = common_gains(ranked, cost)
    scores = table_of_scores.merge(gain_ends(gains), how="left", on="chain")
    table.show(columns(cost, scores), scores, f"overall_{rows.index[0]}", pale=lambda row: row["covered"] == 0)
    st.caption(
        f"Cost: {cost.label.lower()}. A score of 1 means the cheapest on every task. A task counts as infinitely far"
        " where the method failed, is missing, was contended, or misses the quality gate. The tasks are a fixed list,"
        " not a sample, so the score has no interval. The measured gains below have intervals."
    )
    left, right = st.columns(2)
    with left:
        show_profiles(rows, how, inference)
    with right:
        show_gains(ranked, gains, cost, inference)


def placed(scores: pd.DataFrame) -> pd.DataFrame:
    """Add the ranks to the scores: equal scores share a rank, and a method without coverage has none."""
    score = scores["score"].round(9).where(scores["covered"] > 0)
    rank = score.rank(method="min", ascending=False).astype("Int64")
    return scores.assign(rank=rank, shared=rank.notna() & rank.duplicated(keep=False))


def columns(cost: ratios.Cost, scores: pd.DataFrame) -> list[Column]:
    """Return the columns of the table of scores."""
    common = int(scores["common"].iloc[0])
    over = f"geometric mean over the {common} task{'' if common == 1 else 's'} that every covered method has"
    return [
        Column("#", lambda row: table.number(row["rank"], lambda _: place(row))),
        Column("Method", lambda row: Cell(row["chain"], row["chain"]), right=False),
        Column(
            "Score",
            lambda row: Cell(f"{row['score']:.3f}", row["score"], share=row["score"]),
            f"Mean height of the performance profile for τ from 1 to {protocol.R_MAX:g}.",
        ),
        Column(
            "Coverage",
            lambda row: Cell(f"{row['covered']}/{row['workloads']}", float(row["covered"])),
            "Tasks on which the method has a ranked row, of all tasks of this board.",
        ),
        Column(
            f"Gain, n = {common}",
            lambda row: table.number(row["gain"], times, interval(row), why=None if row["covered"] else "no coverage"),
            f"Gain in {cost.label.lower()} over the reference: {over}. Below: the same means of the lower and of the"
            " upper ends of the tasks' intervals. Together they span more than a 95 % interval.",
        ),
    ]


def interval(row: pd.Series) -> str | None:
    """Format the interval of the gain; None where it has none."""
    low, high = row["low"], row["high"]
    return None if pd.isna(low) or low == high else span(low, high, times)


def common_gains(ranked: pd.DataFrame, cost: ratios.Cost) -> pd.DataFrame:
    """Return ranked rows of the tasks that every method with a rank has, with `gain`, `low` and `high`."""
    good = ranked[ranked["rank"].notna()]
    methods = good.groupby(overall.WORKLOAD, dropna=False)["chain"].transform("nunique")
    return with_gains(good[methods == good["chain"].nunique()], cost)


def with_gains(rows: pd.DataFrame, cost: ratios.Cost) -> pd.DataFrame:
    """Add `gain`, the cost's ratio to the reference, and `low` and `high`, the ends of its interval."""
    low, high = cost.interval or (None, None)
    unknown = pd.Series(np.nan, index=rows.index)
    gain = rows[cost.ratio].astype(float)
    ends = [unknown if end is None else rows[end].astype(float) for end in (low, high)]
    return rows.assign(gain=gain, low=ends[0], high=ends[1])


def gain_ends(gains: pd.DataFrame) -> pd.DataFrame:
    """Return each method's geometric means of the lower ends and of the upper ends."""
    return np.exp(np.log(gains.set_index("chain")[["low", "high"]]).groupby("chain").mean()).reset_index()


def show_profiles(rows: pd.DataFrame, how: Ranking, inference: pd.DataFrame) -> None:
    """Show the performance profiles as steps."""
    found = overall.performance_ratios(rows, how.by, how.gate)
    covered = found[found.notna().any(axis=1)]
    st.markdown("**Performance profiles**")
    charts.legend(inference, pd.DataFrame({"chain": covered.index}))
    if len(covered):
        steps = overall.profile(covered)
        taus = alt.Scale(domain=[1, protocol.R_MAX], nice=False)
        x = alt.X("tau:Q", title="τ: cost divided by the lowest of all methods", scale=taus).axis(tickCount=6)
        y = alt.Y("rho:Q", title="Share of tasks within τ", scale=alt.Scale(domain=[0, 1.02], nice=False))
        line = alt.Chart(steps).mark_line(interpolate="step-after", strokeWidth=2.5, opacity=0.85, clip=True)
        tooltip = ["chain", alt.Tooltip("tau", format=".3f"), alt.Tooltip("rho", format=".0%")]
        drawn = line.encode(x=x, y=y.axis(format="%"), color=charts.colours(inference), tooltip=tooltip)
        st.altair_chart(drawn.properties(height=340, usermeta=charts.SVG), width="stretch")
    st.caption(
        "A line that starts high belongs to a method that is often the cheapest. A line that soon reaches the top"
        " belongs to a method that is close to the cheapest on every task."
    )
    without = [str(chain) for chain in found.index.difference(covered.index)]
    if without:
        st.caption(
            f"Not drawn, because no task has a ranked row of the method: {', '.join(map(shared.plain, without))}."
        )


def show_gains(ranked: pd.DataFrame, gains: pd.DataFrame, cost: ratios.Cost, inference: pd.DataFrame) -> None:
    """Show each method's gain on each task, with its interval."""
    st.markdown(f"**Gain in {cost.label.lower()} on each task**")
    data = with_gains(ranked[ranked["rank"].notna()], cost)[["chain", "task", "gain", "low", "high"]]
    data = data.dropna(subset="gain")
    if data.empty:
        st.info("No row is ranked.")
        return
    order = list(data.groupby("chain")["gain"].max().sort_values(ascending=False).index)
    tasks = sorted(data["task"].unique())
    x = alt.X(
        "gain:Q", title="× over the reference (95 % interval)", scale=alt.Scale(type="log", nice=False, padding=20)
    )
    x = x.axis(format=".6~g", values=charts.ticks(data["gain"].min(), data["gain"].max()))
    base = alt.Chart(data).encode(y=charts.names("chain:N", order), yOffset=alt.YOffset("task:N", sort=tasks))
    tooltip = ["chain", "task", *(alt.Tooltip(name, format=".3f") for name in ("gain", "low", "high"))]
    grey = charts.GREY  # is seen in light and in dark; Vega's black is not
    legend = alt.Legend(orient="top", title=None, columns=2, symbolFillColor=grey, symbolStrokeColor=grey)
    shape = alt.Shape("task:N", scale=alt.Scale(domain=tasks), legend=legend)
    point = base.mark_point(size=45, filled=True, opacity=1).encode(
        x=x, color=charts.colours(inference), shape=shape, tooltip=tooltip
    )
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5, color=charts.GREY)
    height = max(200, 16 * len(data) + 90)
    layers = charts.layered(height, whisker.encode(x=alt.X("low:Q"), x2="high:Q"), point)
    st.altair_chart(layers, width="stretch")
    st.caption("Where no bar shows, the interval is narrower than the point, or there is none. The reference has none.")
    missing = ranked[ranked["rank"].isna()]
    if len(missing):
        names = [f"{row['chain']} on {row['task']}" for _, row in missing.iterrows()]
        st.caption(f"Without a point, because the row is not ranked: {shared.plain('; '.join(names))}.")
    if not cost.interval:
        st.caption(f"{cost.label} is one count or one reading: it has no interval.")


show()
