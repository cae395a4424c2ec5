"""The page of a task: its question, its data, and the methods that helped on it. The address names it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st
from views import shared, table, task_rows, units
from views.method_rows import helped, with_verdicts
from views.table import TASK_URL, Cell, Colour, Column, Label
from views.units import linked

from breakeven import protocol
from breakeven.errors import UserError
from breakeven.scoring.wording import GAP, quality
from breakeven.units import catalogue
from breakeven.units.catalogue import DATA_KINDS, DescribedTask, Training, metric_of, target_of

COLOURS: dict[str, Colour] = {"recorded": "green", "composed": "orange", "synthetic": "red"}  # of a kind of data


def show() -> None:
    shared.heading(
        "Task",
        "A task's question, its data, the quality to reach, and the methods that helped on it here.",
    )
    try:
        name = units.choose("task", catalogue.names("tasks"))
        if name is None:
            show_all()
        else:
            show_one(catalogue.task(name))
    except UserError as error:
        st.error(shared.plain(str(error)), icon=":material/error:")


def show_all() -> None:
    """Show all tasks, with the reference's quality and the number of rows in which methods helped."""
    inference, _ = shared.rows()
    rows = with_verdicts(inference)
    lines = pd.DataFrame({"name": catalogue.names("tasks")})
    own = {name: rows[task_rows.of(rows, name)] for name in lines["name"]}

    def reference(line: pd.Series) -> Cell:
        found = own[line["name"]]
        found = found[found["chain"].eq(protocol.REFERENCE) & found["quality"].notna()]
        if found.empty:
            return Cell(GAP)
        row = found.iloc[0]
        return table.number(row["quality"], quality, "" if pd.isna(row["n_eval"]) else f"{row['n_eval']:,.0f} samples")

    columns = [
        Column("Task", named, right=False),
        Column("Data", lambda line: kind(catalogue.task(line["name"])), right=False),
        said("Question", lambda found: found.asks, wrap=True),
        Column(
            "To reach", to_reach, "The quality target: the time to target ends there. Below: the metric.", right=False
        ),
        Column(
            "Reference", reference, "The quality of the uncompressed model here. Below: the number of test samples."
        ),
        Column(
            "Helped",
            lambda line: helped(own[line["name"]]["verdict"]),
            "Number of rows of the task in which the methods helped, of all rows with a verdict.",
        ),
        said("Licence of the data", lambda found: found.licence, wrap=True),
    ]
    table.show(columns, lines, "tasks")


def named(line: pd.Series) -> Cell:
    """Return the cell of a task's name, which opens its page, with its domain below."""
    name = line["name"]
    return Cell(name, name, catalogue.task(name).domain, link={"task": name}, page=TASK_URL)


def to_reach(line: pd.Series) -> Cell:
    """Return the cell of the quality target, with the metric and its unit below."""
    wanted = catalogue.task(line["name"]).quality
    return Cell(GAP) if wanted is None else Cell(target_of(wanted), wanted.target, metric_of(wanted))


def said(heading: str, what: Callable[[DescribedTask], str], wrap: bool = False) -> Column:
    """Return a column of texts from the tasks' files."""

    def cell(line: pd.Series) -> Cell:
        text = what(catalogue.task(line["name"]))
        return Cell(text, text)

    return Column(heading, cell, right=False, wrap=wrap)


def kind(found: DescribedTask) -> Cell:
    """Return a cell with the kind of a task's data as a label."""
    word, _, why = DATA_KINDS[found.data_kind].partition(": ")
    return Cell(labels=(Label(word, COLOURS[found.data_kind], why or word),), sort=word)


def show_one(found: DescribedTask) -> None:
    """Show all about one task."""
    st.subheader(shared.plain(found.title))
    st.markdown(linked(found.asks))
    with st.container(horizontal=True, gap="small"):
        st.badge(DATA_KINDS[found.data_kind], color=COLOURS[found.data_kind])
        st.badge(found.domain, color="gray")
        if found.domain == "medical":
            st.badge(
                "no clinical claim", color="orange", help="The task tests the pipeline. It says nothing about patients."
            )
    units.show_facts([(heading, linked(text)) for heading, text in facts(found)])
    show_trainings(found)
    units.show_parameters(found.parameters, found.name)
    inference, training = shared.rows()
    st.subheader("Measured rows")
    task_rows.show(found, with_verdicts(inference), training)


def facts(found: DescribedTask) -> list[tuple[str, str]]:
    """Return the facts beside the recipe and the parameters, as headings and text."""
    return [
        *found.parts,
        ("Licence of the data", found.licence),
        ("Quality", described(found)),
        (
            "Lengths",
            f"inputs differ in length, counted in {found.length_unit}"
            if found.length_unit
            else "all inputs are of one length",
        ),
    ]


def described(found: DescribedTask) -> str:
    """Return the ranked metric in words, with its unit, direction and target."""
    if found.quality is None:
        return ""
    unit = "a share from 0 to 1" if found.quality.unit == "ratio" else f"in {found.quality.unit}"
    direction = "higher" if found.quality.higher_is_better else "lower"
    return (
        f"{found.quality.metric.replace('_', ' ')}, {unit}; {direction} is better; {target_of(found.quality)} to reach"
    )


def show_trainings(found: DescribedTask) -> None:
    """Show the recipes: the default one, and one for each choice of a parameter that changes it."""
    if not found.trainings:
        st.caption("The recipe depends on a parameter that has no default.")
        return
    columns = [
        trained("Recipe", lambda each: each.choice or "default", right=False),
        trained("Epochs", lambda each: f"{each.recipe.epochs}"),
        trained("Batch", lambda each: f"{each.recipe.batch_size}"),
        trained("Learning rate", lambda each: f"{each.recipe.learning_rate:g}", "The peak of the one-cycle schedule."),
        trained("Weight decay", lambda each: f"{each.recipe.weight_decay:g}"),
        trained("To reach", lambda each: target_of(each.quality), "The quality target: the time to target ends there."),
    ]
    lines = pd.DataFrame({"training": found.trainings})
    table.show(columns, lines, f"trainings_{found.name}")


def trained(heading: str, what: Callable[[Training], str], help: str | None = None, right: bool = True) -> Column:
    """Return a column of a task's recipes."""
    return Column(heading, lambda line: Cell(what(line["training"]), what(line["training"])), help, right)


show()
