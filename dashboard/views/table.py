"""Tables with reasons on hover, headers that sort, and links that open other pages.

Streamlit's own table is painted on a canvas: its cells have no tooltips, and a reader cannot select, find or hear their
text. This table is HTML, in the theme's colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd
import streamlit as st

from breakeven.scoring.wording import GAP

FOLDER = Path(__file__).parent
ROW_PAGE, ROW_URL = "views/row.py", "row"
METHOD_PAGE, METHOD_URL = "views/methods.py", "method"
TASK_PAGE, TASK_URL = "views/tasks.py", "task"
PAGES = {ROW_URL: ROW_PAGE, METHOD_URL: METHOD_PAGE, TASK_URL: TASK_PAGE}  # that a link opens
LARGEST = 1e300  # stands for infinity, which JSON does not have


Colour = Literal["gray", "green", "orange", "red"]


@dataclass(frozen=True)
class Label:
    """A word in a coloured pill, and its reason."""

    text: str
    colour: Colour
    why: str


@dataclass(frozen=True)
class Cell:
    """The content of a cell."""

    text: str = ""
    sort: float | str | None = None  # None sorts last
    below: str | None = None  # smaller, such as an interval
    why: str | None = None  # on hover
    share: float | None = None  # of a bar's full length
    labels: tuple[Label, ...] = ()
    link: dict[str, str] | None = None  # the query parameters that name the row, the method or the task
    page: str = ROW_URL


class Opened(TypedDict):
    """A link that was clicked."""

    page: str
    link: dict[str, str]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    label: str
    cell: Callable[[pd.Series], Cell]
    help: str | None = None
    right: bool = True
    wrap: bool = False  # break lines within a cell


def show(columns: list[Column], rows: pd.DataFrame, key: str, pale: Callable[[pd.Series], bool] | None = None) -> None:
    """Draw a table; a click on a link opens its page.

    Args:
        columns: the first column stays in sight. Where its heading is #, the second column stays in sight too.
        rows: one line each, in this order until a header is clicked.
        key: names the table on its page.
        pale: says whether a line is drawn less strongly.
    """
    heads = [{"label": c.label, "help": c.help, "right": c.right, "wrap": c.wrap} for c in columns]
    lines = [
        {
            "cells": [_filled(column.cell(row)) for column in columns],
            "pale": bool(pale and pale(row)),
        }
        for _, row in rows.iterrows()
    ]
    result = _component()(data={"columns": heads, "rows": lines}, key=key, on_opened_change=lambda: None)
    if opened := result.get("opened"):
        st.switch_page(PAGES[opened["page"]], query_params=opened["link"])


def number(value: float | None, show: Callable[[float], str], below: str | None = None, why: str | None = None) -> Cell:
    """Return the cell of a number; a gap where it is unknown."""
    if value is None or pd.isna(value):
        return Cell(GAP, why=why)
    return Cell(show(value), min(float(value), LARGEST), below, why)


def _filled(cell: Cell) -> dict[str, object]:
    """Return the fields of a cell that are not empty: JSON has no NaN."""
    known = {name: pd.notna(value) if isinstance(value, float) else bool(value) for name, value in asdict(cell).items()}
    return {name: value for name, value in asdict(cell).items() if known[name]}


@st.cache_resource
def _component() -> Callable[..., dict[str, Opened | None]]:
    css, js = ((FOLDER / f"table.{kind}").read_text() for kind in ("css", "js"))
    html = "<div class='place'></div><div class='tip' role='tooltip'></div>"
    return st.components.v2.component("breakeven_table", html=html, css=css, js=js)
