"""A task: its data, what a model of it is asked, and which methods helped there. Its address names it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st
from views import shared, table, task_rows, units
from views.method_rows import helped, with_verdicts
from views.table import TASK_URL, Cell, Column, Label
from views.units import linked

from breakeven import protocol
from breakeven.errors import UserError
from breakeven.scoring.wording import GAP, quality
from breakeven.units import catalogue
from breakeven.units.catalogue import DATA_KINDS, DescribedTask, Training, metric_of, target_of

COLOURS = {"recorded": "green", "composed": "orange", "synthetic": "red"}  # of a kind of data


def show() -> None:
    shared.heading(
        "Task",
        "What a model is asked, on what data, how well it is to answer, and which methods helped on it here.",
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
    """Every task with what was measured on it."""
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
        Column("To reach", to_reach, "The quality that the training is timed to; below, the metric.", right=False),
        Column(
            "Reference", reference, "The quality that the uncompressed model reached here, on how many test samples."
        ),
        Column(
            "Helped",
            lambda line: helped(own[line["name"]]["verdict"]),
            "In how many of the rows measured on it the methods helped.",
        ),
        said("Licence of the data", lambda found: found.licence, wrap=True),
    ]
    table.show(columns, lines, "tasks")


def named(line: pd.Series) -> Cell:
    """A task's name, which opens its page; below, its domain."""
    name = line["name"]
    return Cell(name, name, catalogue.task(name).domain, link={"task": name}, page=TASK_URL)


def to_reach(line: pd.Series) -> Cell:
    """The target; below, the metric with its unit."""
    wanted = catalogue.task(line["name"]).quality
    return Cell(GAP) if wanted is None else Cell(target_of(wanted), wanted.target, metric_of(wanted))


def said(heading: str, what: Callable[[DescribedTask], str], wrap: bool = False) -> Column:
    """A column of what a task's file says."""

    def cell(line: pd.Series) -> Cell:
        text = what(catalogue.task(line["name"]))
        return Cell(text, text)

    return Column(heading, cell, right=False, wrap=wrap)


def kind(found: DescribedTask) -> Cell:
    """The kind of its data as a label."""
    word, _, why = DATA_KINDS[found.data_kind].partition(": ")
    return Cell(labels=(Label(word, COLOURS[found.data_kind], why or word),), sort=word)


def show_one(found: DescribedTask) -> None:
    """All about one task."""
    st.subheader(shared.plain(found.title))
    st.markdown(linked(found.asks))
    with st.container(horizontal=True, gap="small"):
        st.badge(DATA_KINDS[found.data_kind], color=COLOURS[found.data_kind])  # type: ignore[arg-type]
        st.badge(found.domain, color="gray")
        if found.domain == "medical":
            st.badge("no clinical claim", color="orange", help="A test of the pipeline: it says nothing of patients.")
    units.show_facts([(heading, linked(text)) for heading, text in facts(found)])
    show_trainings(found)
    units.show_parameters(found.parameters, found.name)
    inference, training = shared.rows()
    st.subheader("What was measured")
    task_rows.show(found, with_verdicts(inference), training)


def facts(found: DescribedTask) -> list[tuple[str, str]]:
    """What is said beside its training and its parameters."""
    return [
        *found.parts,
        ("Licence of the data", found.licence),
        ("Quality", described(found)),
        ("Lengths", f"inputs vary, in {found.length_unit}" if found.length_unit else "all inputs are of one length"),
    ]


def described(found: DescribedTask) -> str:
    """The metric that ranks, its unit and its direction."""
    if found.quality is None:
        return ""
    unit = "a share from 0 to 1" if found.quality.unit == "ratio" else f"in {found.quality.unit}"
    direction = "higher" if found.quality.higher_is_better else "lower"
    return (
        f"{found.quality.metric.replace('_', ' ')}, {unit}; {direction} is better; {target_of(found.quality)} to reach"
    )


def show_trainings(found: DescribedTask) -> None:
    """How it is trained: a line by default, and one for each choice that changes it."""
    if not found.trainings:
        st.caption("How it is trained depends on a parameter that has no default.")
        return
    columns = [
        trained("Trained with", lambda each: each.choice or "its defaults", right=False),
        trained("Epochs", lambda each: f"{each.recipe.epochs}"),
        trained("Batch", lambda each: f"{each.recipe.batch_size}"),
        trained("Learning rate", lambda each: f"{each.recipe.learning_rate:g}", "The peak of the one-cycle schedule."),
        trained("Weight decay", lambda each: f"{each.recipe.weight_decay:g}"),
        trained("To reach", lambda each: target_of(each.quality), "The time to target stops here."),
    ]
    lines = pd.DataFrame({"training": found.trainings})
    table.show(columns, lines, f"trainings_{found.name}")


def trained(heading: str, what: Callable[[Training], str], help: str | None = None, right: bool = True) -> Column:
    """A column of how a task is trained."""
    return Column(heading, lambda line: Cell(what(line["training"]), what(line["training"])), help, right)


show()
