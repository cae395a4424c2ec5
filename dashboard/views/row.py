"""The page of a row: all that is recorded about it, and the commands that measure it again.

The address names the row, so it can be cited.
"""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st
from views import charts, commands, details, shared, units
from views.inference_board import interval, link_to, stars
from views.labels import badge_line, fine

from breakeven import protocol
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.wording import GAP, inferences, number, percent, place, quality, span, times

ADDRESS = ("cell", "scenario", "machine", "source")  # the query parameters that name a row


def show() -> None:
    shared.heading(
        "Row",
        "All that is recorded about one cell in one scenario, with derived figures. The address of this page names the"
        " row, so it can be cited.",
    )
    inference, training = shared.rows()
    rows = pd.concat([frame for frame in (inference, training) if len(frame)], ignore_index=True)
    chosen = choose(rows)
    if chosen is None:
        return
    served = pd.notna(chosen.get("chain"))
    board = ranked(inference if served else training, chosen)
    row = board[is_row(board, link_to(chosen))].iloc[0]
    st.subheader(shared.plain(row["chain"] if served else row["trained_as"]))
    st.markdown(f":gray[{shared.plain(described(row))}]")
    badge_line(row)
    link_units(row)
    if row["board"] == "gap":
        st.error(f"**{row['status']}**: {shared.plain(row['reason'])}", icon=":material/block:")
    elif not served:
        shared.cards(training_figures(row, board))
    else:
        shared.cards(figures(row, board))
        within_its_runtime(row)
        beside_itself(row)
        latencies(row)
    show_commands(row)
    details.show(row, "row")


def link_units(row: pd.Series) -> None:
    """Link the pages of the row's task and of its methods."""
    text = row["chain"] if pd.notna(row.get("chain")) else row["training_method"]
    units.show_links([("task", row["task"]), *(("method", part) for part in text.split("+"))])


def choose(rows: pd.DataFrame) -> pd.Series | None:
    """Return the row that the address names, or the picked one; the address follows the pick."""
    wanted = {name: st.query_params[name] for name in ADDRESS if name in st.query_params}
    found = rows.index[is_row(rows, wanted)] if wanted.get("cell") else []
    if wanted.get("cell") and not len(found):
        st.error(
            f"No row of these results is '{shared.plain(wanted['cell'])}': pick one, or include the published results."
        )
    names = dict(zip(rows.index, map(named, (row for _, row in rows.iterrows())), strict=True))
    start = list(rows.index).index(found[0]) if len(found) else None
    picked = st.selectbox(
        "Row",
        list(rows.index),
        index=start,
        format_func=names.__getitem__,
        placeholder="Pick a row",
        key=f"row_{wanted}",
    )
    if picked is None:
        st.info("Pick a row here, or click a method on the leaderboard.", icon=":material/ads_click:")
        return None
    row = rows.loc[picked]
    if picked not in found:
        st.query_params.from_dict(link_to(row))
        st.rerun()
    return row


def is_row(rows: pd.DataFrame, address: dict[str, str]) -> pd.Series:
    """Select the rows that an address names."""
    found = rows["cell_id"].eq(address["cell"]) & rows["source"].eq(address.get("source", shared.HERE))
    for name, field in (("scenario", "scenario"), ("machine", "hardware_fingerprint")):
        found &= rows[field].eq(address[name]) if name in address else True
    return found


def named(row: pd.Series) -> str:
    """Return a row's name for the list of all rows."""
    parts = [row["task"], row.get("chain") if pd.notna(row.get("chain")) else f"trained as {row['trained_as']}"]
    parts += [row["hardware"], row.get("scenario"), f"seed {row['seed']}"]
    parts += [row["source"]] if row["source"] != shared.HERE else []
    return " · ".join(str(part) for part in parts if pd.notna(part))


def described(row: pd.Series) -> str:
    """Return a line with the task, the hardware and the other keys of a row."""
    scenario = [shared.shown(row["scenario"]), f"batch {row['batch_size']}"] if "scenario" in row else []
    parts = [row["task"], row["hardware"], *scenario, f"seed {row['seed']}", f"status {row['status']}"]
    return " · ".join(map(str, parts))


def ranked(rows: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Return the ranked board of a row."""
    served = pd.notna(row.get("chain"))
    key = ["source", *(ratios.KEY if served else ratios.TRAINING_BOARD)]
    board = rows[(rows[key] == row[key]).all(axis=1)]
    if not served:
        return leaderboard.rank_trainings(board)
    return leaderboard.rank(board, ratios.SCENARIO_COST.get(row["scenario"], "usd"))


def figures(row: pd.Series, board: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the headline figures with their intervals."""
    by = ratios.COSTS[ratios.SCENARIO_COST.get(row["scenario"], "usd")]
    original = "the reference itself" if row["chain"] == protocol.REFERENCE else None
    kept, speed = interval(row, "quality_kept_ci", fine), interval(row, "speedup_ci", times)
    return [
        (f"Rank by {by.label.lower()}", place(row), f"of {board['rank'].notna().sum()} ranked rows"),
        ("Quality kept", fine(row["quality_ratio"]), f"{kept or 'no interval'} · {quality(row['quality'])}"),
        (
            "Speed-up",
            times(row["speedup"]),
            f"{speed or 'no interval'} · by arithmetic {times(row['theoretical_speedup'])}",
        ),
        ("Pays off after", inferences(row["break_even"]), original or span(*stars(row), inferences)),
    ]


def training_figures(row: pd.Series, board: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the headline figures of a training. It is one run: only its quality has an interval."""
    exact = interval(row, "quality_ci", quality)
    return [
        ("Rank by time", place(row), f"of {board['rank'].notna().sum()} ranked rows"),
        (
            "Quality kept",
            fine(row["quality_ratio"]),
            f"of the single-device run's · {quality(row['quality'])} ({exact or 'no interval'})",
        ),
        ("Time", f"{number(row['train_time_s'])} s", "one run: no interval"),
        ("Speed-up", times(row["speedup"]), f"efficiency {percent(row['scaling_efficiency'])}"),
    ]


def beside_itself(row: pd.Series) -> None:
    """Show the reference's measured speed-up over itself: how far it is from 1 is the error of the measurement."""
    if row["chain"] == protocol.REFERENCE:
        raw = shared.as_recorded(row)
        st.caption(
            f"The reference's speed-up is 1.00× by definition. Timed beside itself it measured {raw['speedup']:.3f}×"
            f" ({interval(raw, 'speedup_ci', '{:.3f}'.format) or 'no interval'}). The difference is the measurement's"
            " error."
        )


def within_its_runtime(row: pd.Series) -> None:
    """Show the speed-up of the compression and that of the runtime."""
    runtime = shared.plain(row["runtime"])
    if row["runtime"] == protocol.REFERENCE_RUNTIME or row["method"] == protocol.REFERENCE:
        return
    if pd.isna(row["compression_speedup"]):
        st.caption(f"The compression's own speed-up is unknown, because fp32 was not measured in {runtime}.")
        return
    exact = interval(row, "compression_speedup_ci", times) or "no interval"
    st.markdown(
        f"**In its runtime: {times(row['compression_speedup'])}** ({exact}) is the compression's own speed-up. The fp32"
        f" model by itself is {times(row['runtime_speedup'])} as fast in {runtime} as in eager torch."
    )


def latencies(row: pd.Series) -> None:
    """Show the latency percentiles of a call, beside the reference's."""
    st.markdown("**Latency of a call, beside the reference's**")
    own, reference = row["chain"], "the reference beside it"
    lines = [
        (who, name, row[f"{prefix}latency_{name}_ms"])
        for who, prefix in ((own, ""), (reference, "reference_"))
        for name in details.PERCENTILES
    ]
    data = pd.DataFrame(lines, columns=["who", "percentile", "ms"]).astype({"ms": float})
    if data["ms"].notna().any():
        st.altair_chart(latency_chart(data, [own, reference]), width="stretch")
    gaps = [
        f"{gap.percentile} of {gap.who} ({details.too_few_calls(details.PERCENTILES[gap.percentile])(row)})"
        for gap in data[data["ms"].isna()].itertuples()
    ]
    more = f" Null: {'; '.join(gaps)}." if gaps else ""
    st.caption(
        f"Each is an upper bound of its percentile at {shared.exact(protocol.CONFIDENCE)} confidence, the median over"
        f" processes. A bound has no interval of its own.{shared.plain(more)}"
    )


def latency_chart(data: pd.DataFrame, who: list[str]) -> alt.LayerChart:
    """Return the chart: a pair of bars for each percentile, and a dash for a null one."""
    colour = alt.Color(
        "who:N",
        scale=alt.Scale(domain=who, range=[charts.PALETTE[0], charts.GREY]),
        legend=alt.Legend(orient="top", title=None, labelLimit=0),
    )
    x = alt.X("ms:Q", title="Latency of a call [ms]", scale=alt.Scale(nice=True)).axis(tickCount=6)
    tooltip = ["who", "percentile", alt.Tooltip("ms", title="ms", format=".4~g")]
    at = {"y": alt.Y("percentile:N", title=None), "yOffset": alt.YOffset("who:N", sort=who), "color": colour}
    bar = alt.Chart(data.dropna()).mark_bar().encode(**at, x=x, tooltip=tooltip)
    gap = alt.Chart(data[data["ms"].isna()]).mark_text(text=GAP, align="left", dx=4, fontSize=16)
    return charts.layered(230, bar, gap.encode(**at, x=alt.datum(0)))


def show_commands(row: pd.Series) -> None:
    """Show the commands that measure the row again."""
    st.markdown("**Measure it again**")
    if "chain" in row and row["board"] != "gap":
        folder = shared.folder_of(row["source"])
        st.code(commands.verify(row, folder), language="bash", wrap_lines=True)
        st.caption("This command measures the row again and compares the speed-up with the interval of the row.")
    st.code(commands.rerun(row), language="bash", wrap_lines=True)
    commit = row["git_commit"] if pd.notna(row["git_commit"]) else GAP
    dirty = ", with uncommitted changes" if row["git_dirty"] is True else ""
    st.caption(
        "This command runs the same cell through the workflow, in a results folder of its own. The row was made at"
        f" commit {commit}{dirty}."
    )


show()
