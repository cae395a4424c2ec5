"""A method: what it does, its parameters and limits, and on which tasks it helped. Its address names it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import streamlit as st
from views import curve_charts, shared, table, training_board
from views.inference_board import KEPT, interval, link_to
from views.table import METHOD_URL, Cell, Column, Label

from breakeven import catalogue, leaderboard
from breakeven.catalogue import Described
from breakeven.curves import curves
from breakeven.errors import UserError
from breakeven.figures import GAP, HELPED, times, verdict

COLOURS = {"no gain": "gray", "the reference": "gray", "failed": "red"}  # of a verdict; below the gate is orange


def show() -> None:
    shared.heading(
        "Method",
        "What a method does to a model, what it needs, and on which tasks it helped here.",
    )
    try:
        name = choose()
        if name is None:
            show_all()
        else:
            show_one(catalogue.describe(name))
    except UserError as error:
        st.error(shared.plain(str(error)), icon=":material/error:")


def choose() -> str | None:
    """The method that the address names, or that is picked; the address follows the pick."""
    wanted, names = st.query_params.get("method"), catalogue.names()
    if wanted and wanted not in names:
        st.error(f"There is no method '{shared.plain(wanted)}': pick one.")
    start = names.index(wanted) if wanted in names else None
    picked = st.selectbox("Method", names, index=start, placeholder="Pick a method", key=f"method_{wanted}")
    if picked is not None and picked != wanted:
        st.query_params["method"] = picked
        st.rerun()
    return picked


def show_all() -> None:
    """Every method with what became of it."""
    inference, _ = shared.rows()
    rows = with_verdicts(inference)
    rows = rows[decided(rows["verdict"])]
    lines = pd.DataFrame({"name": catalogue.names()})
    own = {name: rows[used(rows, name) == "alone"]["verdict"] for name in lines["name"]}

    def helped(line: pd.Series) -> Cell:
        found = own[line["name"]]
        count = int(found.str.startswith(HELPED).sum())
        return Cell(f"{count} of {len(found)}" if len(found) else GAP, count / len(found) if len(found) else None)

    columns = [
        Column(
            "Method",
            lambda line: Cell(line["name"], line["name"], link={"method": line["name"]}, page=METHOD_URL),
            right=False,
        ),
        said("Branch", lambda found: found.branch),
        Column("Helped", helped, "On how many of the rows that are this method alone, at any setting."),
        said("What it does", lambda found: found.does.partition(". ")[0].removesuffix("."), wrap=True),
        said("Changes", lambda found: found.changes or GAP),
        said(
            "Served by", lambda found: ", ".join(each.partition(" (")[0] for each in found.served_by) or GAP, wrap=True
        ),
    ]
    table.show(columns, lines, "methods")


def said(heading: str, what: Callable[[Described], str], wrap: bool = False) -> Column:
    """A column of what a method's file says."""

    def cell(line: pd.Series) -> Cell:
        text = what(catalogue.describe(line["name"]))
        return Cell(text, text)

    return Column(heading, cell, right=False, wrap=wrap)


def show_one(found: Described) -> None:
    """All about one method."""
    st.subheader(shared.plain(found.name))
    st.markdown(linked(found.does))
    for heading, text in facts(found):
        st.markdown(f"**{heading}:** {text}")
    show_parameters(found)
    inference, training = shared.rows()
    st.subheader("What became of it")
    if not len(inference) and not found.served_by:
        st.info("No rows yet: the run is not finished.")
    elif found.served_by:
        show_served(found, with_verdicts(inference))
    else:
        show_trained(found, training)


def facts(found: Described) -> list[tuple[str, str]]:
    """What is known beside the parameters, as Markdown."""
    refused = [f"{', '.join(places)}: {reason}" for reason, places in catalogue.refusals(found.name).items()]
    facts = [
        ("Paper" if found.cited.startswith("arXiv") else "Reference", linked(paper(found))),
        ("Limits", linked(found.limits)),
        ("Changes", linked(found.changes)),
        ("Served by", linked(", ".join(found.served_by))),
        ("Refuses", linked("; ".join(refused))),
    ]
    return [(heading, text) for heading, text in facts if text]


def paper(found: Described) -> str:
    """What it follows; the reference first, where the text does not name it."""
    reference = found.cited if found.cited.startswith("arXiv") else found.reference
    return found.paper if reference in found.paper else f"{reference}. {found.paper}"


def linked(text: str) -> str:
    """Text as Markdown: what is in backquotes as code, arXiv ids and addresses as links."""

    def shown(part: str) -> str:
        if part.startswith("`"):
            return part
        address = part.replace("arXiv:", "https://arxiv.org/abs/")
        return f"[{shared.plain(part)}]({address})" if address.startswith("http") else shared.plain(part)

    parts = re.split(r"(`[^`]+`|arXiv:\d{4}\.\d{4,5}|https?://[^\s,;)]*[^\s,;:).])", text)
    return "".join(map(shown, parts))


def show_parameters(found: Described) -> None:
    """Its parameters as a table."""
    if not found.parameters:
        st.caption("It has no parameters.")
        return
    lines = pd.DataFrame([vars(parameter) for parameter in found.parameters])
    table.show(PARAMETERS, lines, f"parameters_{found.name}")


def text_of(field: str, heading: str, wrap: bool = False) -> Column:
    """A column of text."""
    return Column(heading, lambda line: Cell(line[field] or GAP, line[field]), right=False, wrap=wrap)


PARAMETERS = [
    text_of("name", "Parameter"),
    text_of("type", "Type"),
    text_of("range", "Range"),
    text_of("default", "Default"),
    text_of("description", "What it is", wrap=True),
]


def with_verdicts(inference: pd.DataFrame) -> pd.DataFrame:
    """The inference rows, ranked, with `verdict` and `why`."""
    ranked = leaderboard.rank(inference).loc[inference.index]
    found = [verdict(row) for _, row in ranked.iterrows()]
    return ranked.assign(verdict=[word for word, _ in found], why=[why for _, why in found])


def used(rows: pd.DataFrame, name: str) -> pd.Series:
    """How the rows use a method: `alone`, in a `chain` with others, or not at all (empty)."""

    def how(method: str, runtime: str) -> str:
        compressions = [part.partition("-")[0] for part in method.split("+") if part != leaderboard.REFERENCE]
        served = runtime.partition("-")[0]
        if [name] == (compressions or [served]):
            return "alone"
        return "chain" if name in (*compressions, served) else ""

    return pd.Series(map(how, rows["method"], rows["runtime"]), index=rows.index, dtype=object)


def show_served(found: Described, rows: pd.DataFrame) -> None:
    """The rows of a compression or a runtime."""
    how = used(rows, found.name)
    alone, chains = rows[how == "alone"], rows[how == "chain"]
    if alone.empty and chains.empty:
        st.info(f"No row uses {found.name}: add it to the `chains` of a grid and run it.")
        return
    for title, own, key in (("By itself", alone, "alone"), ("In chains with others", chains, "chains")):
        if len(own):
            st.markdown(f"**{title}**")
            summary(own)
            own = own.sort_values(["task", "scenario", "chain"], ascending=[True, False, True])
            table.show(COLUMNS, own, f"{key}_{found.name}", pale=lambda row: row["board"] != "closed")
    st.caption(
        f"Helped: at or above the quality gate ({leaderboard.GATE:.0%}), and faster than fp32 in its own runtime with a"
        " 95 % interval that leaves out 1, or a smaller file. A runtime by itself is judged against fp32 in eager"
        " torch. Hover a verdict for its figures."
    )
    show_curves(found, rows)


def summary(rows: pd.DataFrame) -> None:
    """On which boards it helped, at one setting at least, and on which it did not."""
    others = rows[decided(rows["verdict"])]
    found = others["verdict"].str.startswith(HELPED).groupby([others["task"], others["scenario"]], sort=False)
    counts = found.agg(["sum", "size"])
    for word, own in (("Helped on", counts[counts["sum"] > 0]), ("Did not help on", counts[counts["sum"] == 0])):
        if len(own):
            st.markdown(f"{word} {', '.join(spelled(*board, *own.loc[board]) for board in own.index)}.")


def decided(verdicts: pd.Series) -> pd.Series:
    """Where a row says whether its method helped: it was measured, has a reference and is not one."""
    return verdicts.str.startswith(HELPED) | verdicts.isin(["no gain", "below the quality gate"])


def spelled(task: str, scenario: str, helped: int, of: int) -> str:
    """A board, and in how many of its rows a method helped where it is several."""
    share = f", {helped} of {of} rows" if of > 1 else ""
    return shared.plain(f"{task} ({scenario.replace('_', ' ')}{share})")


def show_curves(found: Described, rows: pd.DataFrame) -> None:
    """Its curves, board by board."""
    every = curves(rows)
    own = [curve for curve in every if curve.step == found.name]
    if not own:
        return
    st.markdown("**As it compresses more**")
    keys = {board_of(curve.rows.iloc[0]): [] for curve in own}
    for curve in own:
        keys[board_of(curve.rows.iloc[0])].append(curve)
    board = st.selectbox("Board", list(keys), key=f"board_{found.name}")
    amount, baseline = curve_charts.choose("method")
    curve_charts.show(keys[board], amount, baseline, curve_charts.colours(every), f"method_{found.name}")


def board_of(row: pd.Series) -> str:
    """A board's name in a list."""
    parts = [row["task"], row["hardware"], shared.shown(row["scenario"]), f"seed {row['seed']}", row["source"]]
    return " · ".join([*parts, str(row["hardware_fingerprint"])[:8]])


def show_trained(found: Described, training: pd.DataFrame) -> None:
    """The rows of a training method."""
    own = training[training["training_method"].str.partition("-")[0] == found.name]
    if own.empty:
        st.info(f"No row is trained by {found.name}: add it to `training` in a grid and run it.")
        return
    ranked = leaderboard.rank_trainings(training).loc[own.index]
    task = Column("Task", lambda row: Cell(row["task"], row["task"]), right=False)
    name, *rest = (column for column in training_board.COLUMNS if column.label != "#")
    table.show([name, task, *rest], ranked, f"trained_{found.name}", pale=lambda row: pd.isna(row["rank"]))
    st.caption("Against the single-device run. Each is one run, without an interval: no verdict is given.")


def judged(row: pd.Series) -> Cell:
    """A verdict with its figures."""
    word = row["verdict"]
    colour = "green" if word.startswith(HELPED) else COLOURS.get(word, "orange")
    return Cell(labels=(Label(word, colour, row["why"]),), sort=word)


COLUMNS = [
    Column("Chain", lambda row: Cell(row["chain"], row["chain"], link=link_to(row)), right=False),
    Column("Task", lambda row: Cell(row["task"], row["task"]), right=False),
    Column(
        "Scenario",
        lambda row: Cell(row["scenario"].replace("_", " "), row["scenario"], row["hardware"]),
        right=False,
    ),
    Column("Verdict", judged, right=False, wrap=True),
    KEPT,
    Column(
        "Speed-up",
        lambda row: table.number(row["speedup"], times, interval(row, "speedup_ci", times)),
        "Over fp32 in eager torch; below, the 95 % interval.",
    ),
    Column(
        "In its runtime",
        lambda row: table.number(row["compression_speedup"], times, interval(row, "compression_speedup_ci", times)),
        "Over fp32 in the same runtime; below, the 95 % interval.",
    ),
    Column("Size", lambda row: table.number(row["size_ratio"], times), "Of the file, against the reference's."),
    Column("Packed", lambda row: table.number(row["packed_ratio"], times), "Of the file packed by zstd."),
]

show()
