"""The methods and the tasks in the terminal: all of them in a table, or one with its parameters and limits."""

from __future__ import annotations

import re

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from breakeven.scoring.wording import GAP
from breakeven.units import catalogue
from breakeven.units.catalogue import DATA_KINDS, DescribedMethod, DescribedTask, metric_of, target_of
from breakeven.units.docstrings import Parameter


def render_methods(console: Console) -> None:
    """Print all methods.

    Raises:
        UserError: a method's file does not import.
    """
    table = _table("Method", "Changes", "Served by", "Refuses", "Reference")
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    branch = None
    for found in map(catalogue.method, catalogue.names("methods")):
        branch = _section(table, found.branch, branch)
        table.add_row(
            f"  {found.name}",
            found.changes or GAP,
            "itself" if found.served_by == (found.name,) else ", ".join(found.served_by) or GAP,
            "; ".join(refused(found.name)) or "nothing",
            Text(found.cited, style=f"link {found.link}" if found.link else ""),
        )
    console.print(table)
    console.print("One of them, with its parameters and limits: [bold]breakeven methods NAME[/].", highlight=False)


def render_tasks(console: Console) -> None:
    """Print all tasks.

    Raises:
        UserError: a task's file does not import.
    """
    table = _table("Task", "Title", "Data", "To reach", "Licence of the data")
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    table.columns[1].min_width = table.columns[4].min_width = 13  # a long word
    domain = None
    for found in map(catalogue.task, catalogue.names("tasks")):
        domain = _section(table, found.domain, domain)
        table.add_row(
            f"  {found.name}",
            Text(found.title),
            found.data_kind,
            Text(f"{metric_of(found.quality)} {target_of(found.quality)}") if found.quality else GAP,
            Text(found.licence),
        )
    console.print(table)
    console.print("One of them, with its data and its model: [bold]breakeven tasks NAME[/].", highlight=False)


def render_method(name: str, console: Console) -> None:
    """Print what is known of one method.

    Raises:
        UserError: there is none of that name, or its file does not import.
    """
    found = catalogue.method(name)
    _render(f"{name} ({found.branch})", found.does, _method_facts(found), found.parameters, console)


def render_task(name: str, console: Console) -> None:
    """Print what is known of one task.

    Raises:
        UserError: there is none of that name, or its file does not import.
    """
    found = catalogue.task(name)
    _render(f"{name} ({found.domain})", f"{found.title}. {found.asks}", _task_facts(found), found.parameters, console)


def refused(name: str) -> list[str]:
    """What a method refuses and why, in short: `cuda_1 (serves on CPUs only)`."""
    found: dict[str, list[str]] = {}
    for reason, places in catalogue.refusals(name).items():
        found.setdefault(re.split("[:;]", reason)[0], []).extend(places)  # without the remedy
    return [f"{', '.join(places)} ({reason})" for reason, places in found.items()]


def _method_facts(found: DescribedMethod) -> list[tuple[str, str]]:
    """What is said of a method beside its parameters."""
    return [
        ("Changes", found.changes),
        ("Served by", ", ".join(found.served_by)),
        ("Split of the samples", found.data_partition),
        ("Split of the model", found.model_partition),
        ("Limits", found.limits),
        ("Refuses", "; ".join(refused(found.name))),
        ("After", found.paper),
        ("See", found.link or found.reference),
    ]


def _task_facts(found: DescribedTask) -> list[tuple[str, str]]:
    """What is said of a task beside its parameters."""
    trainings = [
        f"{f'{each.choice}: ' if each.choice else ''}epochs {each.recipe.epochs}, batch"
        f" {each.recipe.batch_size}, learning rate {each.recipe.learning_rate:g}, weight decay"
        f" {each.recipe.weight_decay:g}; {metric_of(each.quality)} to reach: {target_of(each.quality)}"
        for each in found.trainings
    ]
    return [
        ("Kind of data", DATA_KINDS[found.data_kind]),
        ("Licence of the data", found.licence),
        *found.parts,
        ("Lengths", f"vary, in {found.length_unit}" if found.length_unit else ""),
        ("Training", "\n".join(trainings)),
    ]


def _render(
    title: str, text: str, facts: list[tuple[str, str]], parameters: tuple[Parameter, ...], console: Console
) -> None:
    """Print one unit: its facts where they are known, and its parameters."""
    console.print(Text(title, style="bold"))
    console.print(Text(text))
    console.print()
    for heading, fact in facts:
        if fact:
            console.print(Text(heading, style="bold"))
            console.print(Padding(Text(fact), (0, 0, 0, 2)))
    if not parameters:
        console.print("It has no parameters.")
        return
    table = _table("Parameter", "Type", "Range", "Default", "What it is")
    for each in parameters:
        table.add_row(
            *(Text(each.name, style="bold"), Text(each.type), each.range or GAP, Text(each.default)),
            Text(each.description),
        )
    console.print()
    console.print(table)


def _section(table: Table, group: str, before: str | None) -> str:
    """Head the lines of a group where one begins; the group."""
    if group != before:
        table.add_section()
        table.add_row(Text(group, style="bold"))
    return group


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
