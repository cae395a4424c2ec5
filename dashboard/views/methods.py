"""The page of a method: its effect, parameters and limits, and the tasks on which it helped. The address names it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st
from views import shared, table, units
from views.method_rows import helped, show_served, show_trained, used, with_verdicts
from views.table import METHOD_URL, Cell, Column
from views.units import linked

from breakeven.errors import UserError
from breakeven.scoring.wording import GAP
from breakeven.units import catalogue
from breakeven.units.catalogue import DescribedMethod


def show() -> None:
    shared.heading(
        "Method",
        "A method's effect on a model, its parameters and limits, and the tasks on which it helped here.",
    )
    try:
        name = units.choose("method", catalogue.names("methods"))
        if name is None:
            show_all()
        else:
            show_one(catalogue.method(name))
    except UserError as error:
        st.error(shared.plain(str(error)), icon=":material/error:")


def show_all() -> None:
    """Show all methods, with the number of rows in which each one helped."""
    inference, _ = shared.rows()
    rows = with_verdicts(inference)
    lines = pd.DataFrame({"name": catalogue.names("methods")})
    own = {name: rows[used(rows, name) == "alone"]["verdict"] for name in lines["name"]}
    columns = [
        Column(
            "Method",
            lambda line: Cell(line["name"], line["name"], link={"method": line["name"]}, page=METHOD_URL),
            right=False,
        ),
        said("Branch", lambda found: found.branch),
        Column(
            "Helped",
            lambda line: helped(own[line["name"]]),
            "Number of rows in which the method helped, of all rows that use it alone, at any setting.",
        ),
        said("Description", lambda found: found.does.partition(". ")[0].removesuffix("."), wrap=True),
        said("Changes", lambda found: found.changes or GAP),
        said(
            "Served by", lambda found: ", ".join(each.partition(" (")[0] for each in found.served_by) or GAP, wrap=True
        ),
    ]
    table.show(columns, lines, "methods")


def said(heading: str, what: Callable[[DescribedMethod], str], wrap: bool = False) -> Column:
    """Return a column of texts from the methods' files."""

    def cell(line: pd.Series) -> Cell:
        text = what(catalogue.method(line["name"]))
        return Cell(text, text)

    return Column(heading, cell, right=False, wrap=wrap)


def show_one(found: DescribedMethod) -> None:
    """Show all about one method."""
    st.subheader(shared.plain(found.name))
    st.markdown(linked(found.does))
    units.show_facts(facts(found))
    units.show_parameters(found.parameters, found.name)
    inference, training = shared.rows()
    st.subheader("Measured rows")
    if not len(inference) and not found.served_by:
        st.info("No rows yet: the run is not finished.")
    elif found.served_by:
        show_served(found, with_verdicts(inference))
    else:
        show_trained(found, training)


def facts(found: DescribedMethod) -> list[tuple[str, str]]:
    """Return the facts beside the parameters, as headings and Markdown."""
    refused = [f"{', '.join(places)}: {reason}" for reason, places in catalogue.refusals(found.name).items()]
    return [
        ("Paper" if found.cited.startswith("arXiv") else "Reference", linked(paper(found))),
        ("Limits", linked(found.limits)),
        ("Changes", linked(found.changes)),
        ("Served by", linked(", ".join(found.served_by))),
        ("Split of the samples", linked(found.data_partition)),
        ("Split of the model", linked(found.model_partition)),
        ("Refuses", linked("; ".join(refused))),
    ]


def paper(found: DescribedMethod) -> str:
    """Return the text about the paper, after the reference where the text does not name it."""
    reference = found.cited if found.cited.startswith("arXiv") else found.reference
    return found.paper if reference in found.paper else f"{reference}. {found.paper}"


show()
