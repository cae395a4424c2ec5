"""A method: what it does, its parameters and limits, and on which tasks it helped. Its address names it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import streamlit as st
from views import shared, table
from views.method_rows import decided, show_served, show_trained, used, with_verdicts
from views.table import METHOD_URL, Cell, Column

from breakeven import catalogue
from breakeven.catalogue import Described
from breakeven.errors import UserError
from breakeven.figures import GAP, HELPED


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


show()
