"""Shared parts of the pages of methods and tasks: the choice of a unit, texts of its file, and its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd
import streamlit as st
from views import shared, table
from views.table import METHOD_PAGE, TASK_PAGE, Cell, Column

from breakeven.scoring.wording import GAP
from breakeven.units import catalogue
from breakeven.units.catalogue import Parameter

LINKS = {"task": (TASK_PAGE, ":material/dataset:"), "method": (METHOD_PAGE, ":material/construction:")}


def choose(kind: str, names: list[str]) -> str | None:
    """Return the method or task that the address names, or the picked one; the address follows the pick."""
    wanted = st.query_params.get(kind)
    if wanted and wanted not in names:
        st.error(f"There is no {kind} '{shared.plain(wanted)}': pick one.")
    start = names.index(wanted) if wanted in names else None
    picked = st.selectbox(kind.capitalize(), names, index=start, placeholder=f"Pick a {kind}", key=f"{kind}_{wanted}")
    if picked is not None and picked != wanted:
        st.query_params[kind] = picked
        st.rerun()
    return picked


def show_links(wanted: Iterable[tuple[str, str]]) -> None:
    """Link the pages of tasks and methods that are known here: `("task", text)`, with or without parameters."""
    named = dict.fromkeys((kind, text.partition("-")[0]) for kind, text in wanted)
    known = [(kind, name) for kind, name in named if name in catalogue.names(f"{kind}s")]
    if not known:
        return
    with st.container(horizontal=True, gap="small"):
        for kind, name in known:
            page, icon = LINKS[kind]
            st.page_link(page, label=f"About {shared.plain(name)}", icon=icon, query_params={kind: name})


def show_facts(facts: list[tuple[str, str]]) -> None:
    """Show facts, given as headings and Markdown."""
    for heading, text in facts:
        if text:
            st.markdown(f"**{heading}:** {text}")


def linked(text: str) -> str:
    """Format text as Markdown: backquoted parts as code, arXiv ids and addresses as links."""

    def shown(part: str) -> str:
        if part.startswith("`"):
            return part
        address = part.replace("arXiv:", "https://arxiv.org/abs/")
        return f"[{shared.plain(part)}]({address})" if address.startswith("http") else shared.plain(part)

    parts = re.split(r"(`[^`]+`|arXiv:\d{4}\.\d{4,5}|https?://[^\s,;)]*[^\s,;:).])", text)
    return "".join(map(shown, parts))


def show_parameters(parameters: tuple[Parameter, ...], name: str) -> None:
    """Show the parameters of a unit in a table."""
    if not parameters:
        st.caption(f"{shared.plain(name)} has no parameters.")
        return
    table.show(PARAMETERS, pd.DataFrame([vars(parameter) for parameter in parameters]), f"parameters_{name}")


def text_of(field: str, heading: str, wrap: bool = False) -> Column:
    """Return a column of text."""
    return Column(heading, lambda line: Cell(line[field] or GAP, line[field]), right=False, wrap=wrap)


PARAMETERS = [
    text_of("name", "Parameter"),
    text_of("type", "Type"),
    text_of("range", "Range"),
    text_of("default", "Default"),
    text_of("description", "Description", wrap=True),
]
