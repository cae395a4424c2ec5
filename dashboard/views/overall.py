"""The overall boards: one order of the methods over all tasks of a machine, and the profiles that it comes from."""

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
        "Which method is near the best on every task. The score asks on how many tasks a method's cost lies within a"
        " factor of the lowest; nothing that has different units is averaged.",
    )
    inference, _ = shared.rows()
    if inference.empty:
        st.info("There are training rows but no inference rows: the run is not finished, or its grid has no chains.")
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
            "An overall board needs at least two tasks that the same machine has measured in this scenario. Here there"
            f" is {rows['task'].nunique()}: the leaderboard has its ranks."
        )


def show_board(rows: pd.DataFrame, how: Ranking, inference: pd.DataFrame) -> None:
    """One overall board: scores, profiles, gains."""
    table_of_scores = placed(overall.overall(rows, how.by, how.gate))
    ranked = overall.ranked(rows, how.by, how.gate)
    cost = ratios.COSTS[how.by]
    gains = common_gains(ranked, cost)
    scores = table_of_scores.merge(gain_ends(gains), how="left", on="chain")
    table.show(columns(cost, scores), scores, f"overall_{rows.index[0]}", pale=lambda row: row["covered"] == 0)
    st.caption(
        f"Score: the share of tasks on which the method's {cost.label.lower()} is within a factor τ of the lowest,"
        f" averaged over τ from 1 to {protocol.R_MAX:g}: 1 is the cheapest everywhere. A task where a method failed, is"
        " missing, was contended, or misses the quality gate counts as infinitely far. The tasks are a fixed list, not"
        " a sample, so the score has no interval; what was measured has: the points below."
    )
    left, right = st.columns(2)
    with left:
        show_profiles(rows, how, inference)
    with right:
        show_gains(ranked, gains, cost, inference)


def placed(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with their ranks: equal scores share one, and a method without any coverage has none."""
    score = scores["score"].round(9).where(scores["covered"] > 0)
    rank = score.rank(method="min", ascending=False).astype("Int64")
    return scores.assign(rank=rank, shared=rank.notna() & rank.duplicated(keep=False))


def columns(cost: ratios.Cost, scores: pd.DataFrame) -> list[Column]:
    """The table of scores."""
    common = int(scores["common"].iloc[0])
    over = f"geometric mean over the {common} task{'' if common == 1 else 's'} that every covered method has"
    return [
        Column("#", lambda row: table.number(row["rank"], lambda _: place(row))),
        Column("Method", lambda row: Cell(row["chain"], row["chain"]), right=False),
        Column(
            "Score",
            lambda row: Cell(f"{row['score']:.3f}", row["score"], share=row["score"]),
            f"The performance profile integrated to {protocol.R_MAX:g}.",
        ),
        Column(
            "Coverage",
            lambda row: Cell(f"{row['covered']}/{row['workloads']}", float(row["covered"])),
            "Tasks with a ranked row, of all on this board.",
        ),
        Column(
            f"Gain, n = {common}",
            lambda row: table.number(row["gain"], times, interval(row), why=None if row["covered"] else "no coverage"),
            f"Of {cost.label.lower()}, over the reference: {over}. Below, where all tasks lie at the same end of their"
            " intervals, which is wider than 95 %.",
        ),
    ]


def interval(row: pd.Series) -> str | None:
    """The interval of the gain; None where it has none."""
    low, high = row["low"], row["high"]
    return None if pd.isna(low) or low == high else span(low, high, times)


def common_gains(ranked: pd.DataFrame, cost: ratios.Cost) -> pd.DataFrame:
    """Ranked rows of the tasks that every method with a rank has: `chain`, `gain`, `low`, `high`."""
    good = ranked[ranked["rank"].notna()]
    methods = good.groupby(overall.WORKLOAD, dropna=False)["chain"].transform("nunique")
    return with_gains(good[methods == good["chain"].nunique()], cost)


def with_gains(rows: pd.DataFrame, cost: ratios.Cost) -> pd.DataFrame:
    """The rows with `gain`, the cost's ratio to the reference, and the ends of its interval where it has one."""
    low, high = cost.interval or (None, None)
    unknown = pd.Series(np.nan, index=rows.index)
    gain = rows[cost.ratio].astype(float)
    ends = [unknown if end is None else rows[end].astype(float) for end in (low, high)]
    return rows.assign(gain=gain, low=ends[0], high=ends[1])


def gain_ends(gains: pd.DataFrame) -> pd.DataFrame:
    """Each method's geometric means of the low ends and of the high ends."""
    return np.exp(np.log(gains.set_index("chain")[["low", "high"]]).groupby("chain").mean()).reset_index()


def show_profiles(rows: pd.DataFrame, how: Ranking, inference: pd.DataFrame) -> None:
    """The performance profiles as steps."""
    found = overall.performance_ratios(rows, how.by, how.gate)
    covered = found[found.notna().any(axis=1)]
    st.markdown("**Performance profiles**")
    charts.legend(inference, pd.DataFrame({"chain": covered.index}))
    if len(covered):
        steps = overall.profile(covered)
        taus = alt.Scale(domain=[1, protocol.R_MAX], nice=False)
        x = alt.X("tau:Q", title="τ: cost over the lowest of all methods", scale=taus).axis(tickCount=6)
        y = alt.Y("rho:Q", title="share of tasks within τ", scale=alt.Scale(domain=[0, 1.02], nice=False))
        line = alt.Chart(steps).mark_line(interpolate="step-after", strokeWidth=2.5, opacity=0.85, clip=True)
        tooltip = ["chain", alt.Tooltip("tau", format=".3f"), alt.Tooltip("rho", format=".0%")]
        drawn = line.encode(x=x, y=y.axis(format="%"), color=charts.colours(inference), tooltip=tooltip)
        st.altair_chart(drawn.properties(height=340, usermeta=charts.SVG), width="stretch")
    st.caption("A line that starts high is often the best; one that rises late is near the best where it is not.")
    without = [str(chain) for chain in found.index.difference(covered.index)]
    if without:
        st.caption(f"Not drawn, for no task has a ranked row of them: {', '.join(map(shared.plain, without))}.")


def show_gains(ranked: pd.DataFrame, gains: pd.DataFrame, cost: ratios.Cost, inference: pd.DataFrame) -> None:
    """Each method's gain on each task, with its interval."""
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
    shape = alt.Shape("task:N", scale=alt.Scale(domain=tasks), legend=alt.Legend(orient="top", title=None, columns=2))
    point = base.mark_point(size=45, filled=True, opacity=1).encode(
        x=x, color=charts.colours(inference), shape=shape, tooltip=tooltip
    )
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5, color=charts.GREY)
    layers = alt.layer(whisker.encode(x=alt.X("low:Q"), x2="high:Q"), point)
    height = max(200, 16 * len(data) + 90)
    st.altair_chart(layers.properties(height=height, usermeta=charts.SVG), width="stretch")
    st.caption("Where no bar shows, the interval is narrower than the point, or there is none: the reference's is 1.")
    missing = ranked[ranked["rank"].isna()]
    if len(missing):
        names = [f"{row['chain']} on {row['task']}" for _, row in missing.iterrows()]
        st.caption(f"No point, for it is not ranked: {shared.plain('; '.join(names))}.")
    if not cost.interval:
        st.caption(f"{cost.label} is one count or one reading: it has no interval.")


show()
