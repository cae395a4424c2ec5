"""The methods in the terminal: all of them in a table, or one with its parameters and limits."""

from __future__ import annotations

import re

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from breakeven import catalogue
from breakeven.catalogue import Described
from breakeven.figures import GAP


def render(console: Console) -> None:
    """Print all methods.

    Raises:
        UserError: a method's file does not import.
    """
    table = _table("Method", "Changes", "Served by", "Refuses", "Reference")
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    branch = None
    for found in map(catalogue.describe, catalogue.names()):
        if found.branch != branch:
            branch = found.branch
            table.add_section()
            table.add_row(Text(branch, style="bold"))
        table.add_row(
            f"  {found.name}",
            found.changes or GAP,
            "itself" if found.served_by == (found.name,) else ", ".join(found.served_by) or GAP,
            "; ".join(refused(found.name)) or "nothing",
            Text(found.cited, style=f"link {found.link}" if found.link else ""),
        )
    console.print(table)
    console.print("One of them, with its parameters and limits: [bold]breakeven methods NAME[/].", highlight=False)


def render_method(name: str, console: Console) -> None:
    """Print what is known of one method.

    Raises:
        UserError: there is none of that name, or its file does not import.
    """
    found = catalogue.describe(name)
    console.print(Text(f"{name} ({found.branch})", style="bold"))
    console.print(Text(found.does))
    console.print()
    for heading, text in _facts(found):
        console.print(Text(heading, style="bold"))
        console.print(Padding(Text(text), (0, 0, 0, 2)))
    if not found.parameters:
        console.print("It has no parameters.")
        return
    table = _table("Parameter", "Type", "Range", "Default", "What it is")
    for each in found.parameters:
        table.add_row(
            Text(each.name, style="bold"), Text(each.type), each.range or GAP, Text(each.default), each.description
        )
    console.print()
    console.print(table)


def refused(name: str) -> list[str]:
    """What a method refuses and why, in short: `cuda_1 (serves on CPUs only)`."""
    found: dict[str, list[str]] = {}
    for reason, places in catalogue.refusals(name).items():
        found.setdefault(re.split("[:;]", reason)[0], []).extend(places)  # without the remedy
    return [f"{', '.join(places)} ({reason})" for reason, places in found.items()]


def _facts(found: Described) -> list[tuple[str, str]]:
    """What is said of a method beside its parameters."""
    facts = [("Changes", found.changes), ("Served by", ", ".join(found.served_by)), ("Limits", found.limits)]
    facts += [
        ("Refuses", "; ".join(refused(found.name))),
        ("After", found.paper),
        ("See", found.link or found.reference),
    ]
    return [(heading, text) for heading, text in facts if text]


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
