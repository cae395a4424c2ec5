"""The ranked table of each board, with filters, and the training board."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st
from views import shared, training_board

from breakeven import leaderboard
from breakeven.figures import inferences

CHOICES = {"task": "Task", "hardware": "Hardware", "method": "Method", "runtime": "Runtime"}


def show() -> None:
    shared.heading(
        "Leaderboard",
        "Which method makes a model cheaper without losing quality. Ranks hold within one task, one machine and one"
        " scenario; ranks that the measurement cannot tell apart are shared.",
    )
    inference, training = shared.rows()
    picked = filters(inference, training)
    served, trained = st.tabs(["Inference", "Training"])
    with served:
        show_inference(inference, picked)
    with trained:
        training_board.show(training, picked)


def show_inference(inference: pd.DataFrame, picked: dict[str, list[str]]) -> None:
    if inference.empty:
        st.info("No inference rows yet: the run is not finished, or its grid has no chains.")
        return
    scenario, by, gate = ranking(inference)
    chosen = shared.narrowed(inference[inference["scenario"] == scenario], picked)
    summary(chosen, by, gate)
    names = ["source", *leaderboard.BOARD]
    ranked = {tuple(key.values()): rows for key, rows in leaderboard.boards(inference, names)}
    for key, rows in leaderboard.boards(chosen, names):
        board = leaderboard.rank(ranked[tuple(key.values())], by, gate)
        show_board(key, board[board.index.isin(rows.index)], by, inference)
    if chosen.empty:
        st.info("No row passes these filters: clear one.")


def ranking(inference: pd.DataFrame) -> tuple[str, str, float]:
    """Scenario, cost and gate, as chosen."""
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    scenarios = [name for name in shared.SCENARIOS if name in set(inference["scenario"])]
    scenario = left.selectbox("Scenario", scenarios, format_func=shared.shown, key="scenario")
    costs = list(leaderboard.COSTS)
    by = middle.selectbox(
        "Rank by",
        costs,
        index=costs.index(leaderboard.SCENARIO_COST.get(scenario, "usd")),
        format_func=lambda name: leaderboard.COSTS[name].label,
        key=f"by_{scenario}",
    )
    gate = right.slider(
        "Quality gate, share of the reference's",
        min_value=0.90,
        max_value=1.0,
        value=leaderboard.GATE,
        step=0.001,
        format="%.3f",
        key="gate",
        help="Only rows at or above the gate are ranked (the closed board). The others are shown below them as 'open'.",
    )
    return scenario, by, gate


def filters(inference: pd.DataFrame, training: pd.DataFrame) -> dict[str, list[str]]:
    """What the sidebar's filters let through; an empty one lets all through."""
    st.sidebar.markdown("**Filters**")
    picked = {}
    for field, label in CHOICES.items():
        options = sorted({*inference[field], *training.get(field, [])})
        picked[field] = st.sidebar.multiselect(label, options, key=f"filter_{field}", placeholder="All")
    return picked


def summary(rows: pd.DataFrame, by: str, gate: float) -> None:
    """The headline figures of the rows shown."""
    good = rows[leaderboard.succeeded(rows)]
    closed = good[(good["quality_ratio"] >= gate) & ~leaderboard.flagged(good, "contended")]
    failed = len(rows) - len(good)
    detail = f"{failed} failed: gaps with a reason" if failed else "none failed"
    cards = [("Cells measured", f"{len(good)} of {len(rows)}", detail)]
    for label, column in (("Fastest", "speedup"), ("Smallest file", "size_ratio")):
        if closed[column].notna().any():
            best = closed.loc[closed[column].idxmax()]
            cards.append((f"{label} within the gate", f"{best[column]:.2f}×", f"{best['chain']} · {best['task']}"))
    if closed["break_even"].notna().any():
        best = closed.loc[closed["break_even"].idxmin()]
        text = f"{best['chain']} · {best['task']}"
        cards.append(("Pays off soonest", inferences(best["break_even"]), text))
    for column, (label, value, detail) in zip(st.columns(4), cards, strict=False):
        with column.container(border=True, height="stretch"):
            st.metric(label, value)
            st.caption(detail)


def show_board(key: dict[str, object], rows: pd.DataFrame, by: str, inference: pd.DataFrame) -> None:
    """One board: heading, table, bars."""
    seed = f" · seed {key['seed']}" if inference["seed"].nunique() > 1 else ""
    source = f" · {key['source']}" if inference["source"].nunique() > 1 else ""
    st.subheader(f"{key['task']} on {key['hardware']}{seed}{source}")
    st.caption(shared.plain(describe(rows)))
    shared.warn_if_contended(rows)
    shown = table(rows, by)
    st.dataframe(
        shown,
        hide_index=True,
        column_config=columns(shown, rows),
        height=shared.table_height(rows),
        placeholder="–",
        key="table_" + "_".join(map(str, key.values())),
    )
    shared.show_gaps(rows, "chain")
    bars(rows, inference)


def describe(rows: pd.DataFrame) -> str:
    """What the rows of a board share, in a line."""
    row = rows.iloc[0]
    direction = "higher" if row["higher_is_better"] else "lower"
    parts = [f"quality: {row['metric'].replace('_', ' ')} ({direction} is better)"]
    if rows["n_eval"].notna().any():
        parts.append(f"{int(rows['n_eval'].max()):,} test samples")
    parts.append(f"batch {row['batch_size']}")
    priced = rows.dropna(subset="usd_per_hour")
    if priced.empty:
        parts.append("no price in the profile")
    else:
        price = priced.iloc[0]
        parts.append(f"${price['usd_per_hour']:g}/h: {price['price_source']}, {price['price_date']}")
    if rows["cpu_model"].notna().any():
        parts.append(str(rows["cpu_model"].dropna().iloc[0]))
    return " · ".join(parts)


def table(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """The columns shown, the chosen cost first, ratios beside absolute values."""
    shown = pd.DataFrame(index=rows.index)
    shown["rank"], shown["chain"] = rows["rank"], rows["chain"]
    shown["flags"] = [shared.flags(row) for _, row in rows.iterrows()]
    shown["quality"], shown["quality_ratio"] = rows["quality"], rows["quality_ratio"] * 100
    speed = leaderboard.SCENARIO_COST.get(str(rows["scenario"].iloc[0]), "usd")
    for name in dict.fromkeys([by, speed, "disk", "memory", "usd"]):
        cost = leaderboard.COSTS[name]
        shown[cost.column] = rows[cost.column] / (1e6 if cost.unit == "bytes" else 1)
        shown[cost.ratio] = rows[cost.ratio]
    after = shown.columns.get_loc("speedup") + 1
    shown.insert(after, "break_even", [inferences(value) for value in rows["break_even"]])
    shown["parameters"] = rows["parameters"] / 1e6
    shown["foreign_load_percent"] = rows["foreign_load_percent"]
    return shown


def columns(shown: pd.DataFrame, rows: pd.DataFrame) -> dict[str, object]:
    """How each column of the table is shown."""
    column, number = st.column_config, st.column_config.NumberColumn
    fastest = max(1.0, rows["speedup"].max()) if rows["speedup"].notna().any() else 1.0
    return {
        "rank": number("#", pinned=True, width=40, help="Shared where the measurement cannot tell rows apart."),
        "chain": column.TextColumn("Method", pinned=True, width=245),
        "flags": shared.flag_column(shown),
        "quality": number("Quality", format="%.4f", help=f"{rows['metric'].iloc[0]} on the whole test set."),
        "quality_ratio": number("of reference", format="%.1f %%", help="Error metrics are inverted first."),
        "latency_p50_ms": number("Latency p50", format="%.3g ms", help="Of one call, median over processes."),
        "throughput_samples_per_s": number("Throughput", format="%.0f /s", help="Samples per second."),
        "speedup": column.ProgressColumn(
            "Speed-up",
            format="%.2f×",
            min_value=0,
            max_value=float(fastest),
            width=130,
            help="Over fp32 in eager torch, timed in turns with it.",
        ),
        "disk_bytes": number("Disk", format="%.2f MB", help="Of the file a user would ship."),
        "size_ratio": number("Smaller", format="%.2f×"),
        "memory_above_baseline_bytes": number("Memory", format="%.1f MB", help="Peak, above the level after imports."),
        "memory_ratio": number("Less memory", format="%.2f×"),
        "usd_per_million": number(
            "US$ / million", format="$%.4f", help="Of a million inferences, at the profile's price."
        ),
        "break_even": column.TextColumn(
            "Pays off", help="Inferences after which compressing has paid for its own work.", alignment="right"
        ),
        "parameters": number("Parameters", format="%.3g M"),
        "foreign_load_percent": number("Foreign load", format="%.1f %%", help="Above 5 % a row is contended."),
    }


def bars(rows: pd.DataFrame, inference: pd.DataFrame) -> None:
    """Speed-ups as bars with their 95 % intervals."""
    data = rows.dropna(subset="speedup")
    if data.empty:
        return
    data = data[["chain", "speedup", "speedup_ci_low", "speedup_ci_high"]].assign(ranked=data["rank"].notna())
    y = alt.Y("chain:N", title=None, sort=list(data["chain"])).axis(labelLimit=260, minExtent=150)
    base = alt.Chart(data).encode(y=y)
    bar = base.mark_bar(height={"band": 0.62}).encode(
        x=alt.X(
            "speedup:Q",
            title="Speed-up × (95 % interval)",
            axis=alt.Axis(tickCount=6, format="~g"),
        ),
        color=shared.colours(inference),
        opacity=alt.condition("datum.ranked", alt.value(0.95), alt.value(0.4)),
        tooltip=[alt.Tooltip("chain", title="Method"), *(alt.Tooltip(c, format=".3f") for c in leaderboard.SPEEDUPS)],
    )
    whisker = base.mark_rule(strokeWidth=1.5, color="#7b8794").encode(x="speedup_ci_low:Q", x2="speedup_ci_high:Q")
    one = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_rule(strokeDash=[4, 3], color="#7b8794").encode(x="x:Q")
    st.altair_chart(
        alt.layer(bar, whisker, one).properties(height=28 * len(data) + 62, usermeta=shared.SVG), width="stretch"
    )
    st.caption("Pale: not ranked, because below the quality gate or contended. Dashed: the reference itself.")


show()
