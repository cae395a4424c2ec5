"""One row: all that is recorded about it, and the command that re-runs it. Its address names it: it can be cited."""

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

ADDRESS = ("cell", "scenario", "machine", "source")  # what names a row in the page's address


def show() -> None:
    shared.heading(
        "Row",
        "All that is recorded about one cell in one scenario, with what is derived from it. The address of this page"
        " names the row: it can be cited.",
    )
    inference, training = shared.rows()
    rows = pd.concat([frame for frame in (inference, training) if len(frame)], ignore_index=True)
    chosen = choose(rows)
    if chosen is None:
        return
    served = pd.notna(chosen.get("chain"))
    board = ranked(inference if served else training, chosen)
    row = board[is_row(board, link_to(chosen))].iloc[0]
    st.subheader(shared.plain(row["chain"] if served else row["training"]))
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
    """The pages of the task and of the methods that the row is made with."""
    text = row["chain"] if pd.notna(row.get("chain")) else row["training_method"]
    units.show_links([("task", row["task"]), *(("method", part) for part in text.split("+"))])


def choose(rows: pd.DataFrame) -> pd.Series | None:
    """The row that the address names, or that is picked; the address follows the pick."""
    wanted = {name: st.query_params[name] for name in ADDRESS if name in st.query_params}
    found = rows.index[is_row(rows, wanted)] if wanted.get("cell") else []
    if wanted.get("cell") and not len(found):
        st.error(
            f"No row of these results is '{shared.plain(wanted['cell'])}': pick one, or include the published results."
        )
    names = dict(zip(rows.index, map(named, (row for _, row in rows.iterrows())), strict=True))
    start = list(rows.index).index(found[0]) if len(found) else None
    picked = st.selectbox(
        "Row", list(rows.index), index=start, format_func=names.get, placeholder="Pick a row", key=f"row_{wanted}"
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
    """Which rows an address names."""
    found = rows["cell_id"].eq(address["cell"]) & rows["source"].eq(address.get("source", shared.HERE))
    for name, field in (("scenario", "scenario"), ("machine", "hardware_fingerprint")):
        found &= rows[field].eq(address[name]) if name in address else True
    return found


def named(row: pd.Series) -> str:
    """A row in a list of all."""
    parts = [row["task"], row.get("chain") if pd.notna(row.get("chain")) else f"training {row['training']}"]
    parts += [row["hardware"], row.get("scenario"), f"seed {row['seed']}"]
    parts += [row["source"]] if row["source"] != shared.HERE else []
    return " · ".join(str(part) for part in parts if pd.notna(part))


def described(row: pd.Series) -> str:
    """Where a row belongs, in a line."""
    scenario = [shared.shown(row["scenario"]), f"batch {row['batch_size']}"] if "scenario" in row else []
    parts = [row["task"], row["hardware"], *scenario, f"seed {row['seed']}", f"status {row['status']}"]
    return " · ".join(map(str, parts))


def ranked(rows: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """The ranked board that a row is on."""
    served = pd.notna(row.get("chain"))
    key = ["source", *(ratios.KEY if served else ratios.TRAINING_BOARD)]
    board = rows[(rows[key] == row[key]).all(axis=1)]
    if not served:
        return leaderboard.rank_trainings(board)
    return leaderboard.rank(board, ratios.SCENARIO_COST.get(row["scenario"], "usd"))


def figures(row: pd.Series, board: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The headline figures with their intervals."""
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
    """The headline figures of a training: one run, which has no interval but that of its quality."""
    exact = interval(row, "quality_ci", quality)
    return [
        ("Rank by time", place(row), f"of {board['rank'].notna().sum()} ranked rows"),
        (
            "Quality of single device",
            fine(row["quality_ratio"]),
            f"{quality(row['quality'])} ({exact or 'no interval'})",
        ),
        ("Time", f"{number(row['train_time_s'])} s", "one run: no interval"),
        ("Speed-up", times(row["speedup"]), f"efficiency {percent(row['scaling_efficiency'])}"),
    ]


def beside_itself(row: pd.Series) -> None:
    """What the reference's speed-up over itself came out at: the error of the measurement, which is known here."""
    if row["chain"] == protocol.REFERENCE:
        raw = shared.as_recorded(row)
        st.caption(
            f"The reference is 1.00× by definition. Timed beside itself it came out at {raw['speedup']:.3f}×"
            f" ({interval(raw, 'speedup_ci', '{:.3f}'.format) or 'no interval'}): the error of the measurement."
        )


def within_its_runtime(row: pd.Series) -> None:
    """How the speed-up divides into the runtime's and the compression's."""
    runtime = shared.plain(row["runtime"])
    if row["runtime"] == protocol.REFERENCE_RUNTIME or row["method"] == protocol.REFERENCE:
        return
    if pd.isna(row["compression_speedup"]):
        st.caption(f"What the compression adds within {runtime} is unknown: fp32 was not measured in it.")
        return
    exact = interval(row, "compression_speedup_ci", times) or "no interval"
    st.markdown(
        f"**In its runtime: {times(row['compression_speedup'])}** ({exact}), which is what the compression adds. fp32"
        f" by itself is {times(row['runtime_speedup'])} as fast in {runtime} as in eager torch."
    )


def latencies(row: pd.Series) -> None:
    """The percentiles of a call, beside the reference's."""
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
    """A pair of bars for each percentile, and a dash where one is null."""
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
    layers = alt.layer(bar, gap.encode(**at, x=alt.datum(0)))
    return layers.properties(height=230, usermeta=charts.SVG)


def show_commands(row: pd.Series) -> None:
    """The commands that measure the row again."""
    st.markdown("**Measure it again**")
    if "chain" in row and row["board"] != "gap":
        folder = shared.folder_of(row["source"])
        st.code(commands.verify(row, folder), language="bash", wrap_lines=True)
        st.caption("Says whether the speed-up on this machine lies within the interval that the row publishes.")
    st.code(commands.rerun(row), language="bash", wrap_lines=True)
    commit = row["git_commit"] if pd.notna(row["git_commit"]) else GAP
    dirty = ", with changes that were not committed" if row["git_dirty"] is True else ""
    st.caption(
        f"The same cell through the workflow, in a folder of its own. The row was made at commit {commit}{dirty}."
    )


show()
