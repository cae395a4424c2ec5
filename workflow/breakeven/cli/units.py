"""Methods and tasks in the terminal: a table of all, or one of them with its parameters and limits."""

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
    for method in map(catalogue.method, catalogue.names("methods")):
        branch = _section(table, method.branch, branch)
        table.add_row(
            f"  {method.name}",
            method.changes or GAP,
            "itself" if method.served_by == (method.name,) else ", ".join(method.served_by) or GAP,
            "; ".join(refused(method.name)) or "nothing",
            Text(method.cited, style=f"link {method.link}" if method.link else ""),
        )
    console.print(table)
    console.print("To show one with its parameters and limits: [bold]breakeven methods NAME[/].", highlight=False)


def render_tasks(console: Console) -> None:
    """Print all tasks.

    Raises:
        UserError: a task's file does not import.
    """
    table = _table("Task", "Title", "Data", "To reach", "Licence of the data")
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    table.columns[1].min_width = table.columns[4].min_width = 13  # fits a long word
    domain = None
    for task in map(catalogue.task, catalogue.names("tasks")):
        domain = _section(table, task.domain, domain)
        table.add_row(
            f"  {task.name}",
            Text(task.title),
            task.data_kind,
            Text(f"{metric_of(task.quality)} {target_of(task.quality)}") if task.quality else GAP,
            Text(task.licence),
        )
    console.print(table)
    console.print("To show one with its data and its model: [bold]breakeven tasks NAME[/].", highlight=False)


def render_method(name: str, console: Console) -> None:
    """Print one method with its parameters and limits.

    Raises:
        UserError: no method has that name, or its file does not import.
    """
    method = catalogue.method(name)
    _render(f"{name} ({method.branch})", method.does, _method_facts(method), method.parameters, console)


def render_task(name: str, console: Console) -> None:
    """Print one task with its data and its model.

    Raises:
        UserError: no task has that name, or its file does not import.
    """
    task = catalogue.task(name)
    _render(f"{name} ({task.domain})", f"{task.title}. {task.asks}", _task_facts(task), task.parameters, console)


def refused(name: str) -> list[str]:
    """The units that a method refuses, each with a short reason: `cuda_1 (serves on CPUs only)`."""
    refusals: dict[str, list[str]] = {}
    for reason, places in catalogue.refusals(name).items():
        refusals.setdefault(re.split("[:;]", reason)[0], []).extend(places)  # without the remedy
    return [f"{', '.join(places)} ({reason})" for reason, places in refusals.items()]


def _method_facts(method: DescribedMethod) -> list[tuple[str, str]]:
    """The facts about a method, each with its heading; an empty text for an unknown one."""
    return [
        ("Changes", method.changes),
        ("Served by", ", ".join(method.served_by)),
        ("Split of the samples", method.data_partition),
        ("Split of the model", method.model_partition),
        ("Limits", method.limits),
        ("Refuses", "; ".join(refused(method.name))),
        ("After", method.paper),
        ("See", method.link or method.reference),
    ]


def _task_facts(task: DescribedTask) -> list[tuple[str, str]]:
    """The facts about a task, each with its heading; an empty text for an unknown one."""
    trainings = [
        f"{f'{each.choice}: ' if each.choice else ''}epochs {each.recipe.epochs}, batch"
        f" {each.recipe.batch_size}, learning rate {each.recipe.learning_rate:g}, weight decay"
        f" {each.recipe.weight_decay:g}; {metric_of(each.quality)} to reach: {target_of(each.quality)}"
        for each in task.trainings
    ]
    return [
        ("Kind of data", DATA_KINDS[task.data_kind]),
        ("Licence of the data", task.licence),
        *task.parts,
        ("Lengths", f"vary, in {task.length_unit}" if task.length_unit else ""),
        ("Training", "\n".join(trainings)),
    ]


def _render(
    title: str, text: str, facts: list[tuple[str, str]], parameters: tuple[Parameter, ...], console: Console
) -> None:
    """Print one unit: its known facts and its parameters."""
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
    table = _table("Parameter", "Type", "Range", "Default", "Meaning")
    for each in parameters:
        table.add_row(
            *(Text(each.name, style="bold"), Text(each.type), each.range or GAP, Text(each.default)),
            Text(each.description),
        )
    console.print()
    console.print(table)


def _section(table: Table, group: str, before: str | None) -> str:
    """Print a heading where a new group begins. Returns the group."""
    if group != before:
        table.add_section()
        table.add_row(Text(group, style="bold"))
    return group


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
