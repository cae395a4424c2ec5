"""The kinds of rules that the figures of a row may have to keep. Each looks at all rows of a board at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from string import Formatter
from typing import Any

import pandas as pd

from breakeven.scoring.ratios import succeeded

AGAIN = "measure the cell again"
TOLERANCE = 1e-6  # relative: of figures that were computed from one another


@dataclass(frozen=True)
class Rule:
    """Something that must hold of every row."""

    field: str
    broken: Callable[[pd.DataFrame], pd.Series]  # by which rows
    problem: str  # filled in with the row's fields
    remedy: str = AGAIN

    def explain(self, row: Mapping[str, Any]) -> str:
        """`field: what is wrong: what to do`, for a row that breaks it."""
        return f"{self.field}: {_Words().vformat(self.problem, (), row)}: {self.remedy}"


class _Words(Formatter):
    """Puts what is unknown as that, whatever the figure's format is."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return "unknown" if value is None else super().format_field(value, format_spec)


def floats(rows: pd.DataFrame, *names: str) -> Iterator[pd.Series]:
    """Columns of numbers: one without any value has no type of its own."""
    return (rows[name].astype(float) for name in names)


def text(rows: pd.DataFrame, name: str) -> pd.Series:
    """A column of text; a missing one stays missing."""
    return rows[name].astype("str")


def positive(*names: str) -> list[Rule]:
    """Figures are above 0, where known."""
    return [compared(name, lambda values: values <= 0, "must be above 0") for name in names]


def not_negative(*names: str) -> list[Rule]:
    """Figures are not below 0, where known."""
    return [compared(name, lambda values: values < 0, "must not be below 0") for name in names]


def compared(name: str, wrong: Callable[[pd.Series], pd.Series], must: str) -> Rule:
    """A figure is none of those that `wrong` names."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        (values,) = floats(rows, name)
        return wrong(values)

    return Rule(name, broken, f"is {{{name}:g}}, {must}")


def ratio(*names: str) -> list[Rule]:
    """Qualities lie in 0..1, where that is their unit."""

    def rule(name: str) -> Rule:
        def broken(rows: pd.DataFrame) -> pd.Series:
            (values,) = floats(rows, name)
            return rows["metric_unit"].eq("ratio") & ((values < 0) | (values > 1))

        return Rule(name, broken, f"is {{{name}:g}}, must lie in 0..1, since metric_unit is ratio")

    return [rule(name) for name in names]


def present(*names: str) -> list[Rule]:
    """Fields are known where the cell ended well."""
    return [needed(name, succeeded, "is missing, the status is ok") for name in names]


def needed(name: str, where: Callable[[pd.DataFrame], pd.Series], problem: str, remedy: str = AGAIN) -> Rule:
    """A field is known in some rows."""
    return Rule(name, lambda rows: where(rows) & rows[name].isna(), problem, remedy)


def texts(name: str, right: Callable[[str], object], problem: str, remedy: str = AGAIN) -> Rule:
    """A text is right, where known. Boards repeat their texts: each is looked at once."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        return rows[name].isin([content for content in rows[name].dropna().unique() if not right(content)])

    return Rule(name, broken, problem, remedy)


def matches(name: str, pattern: str, must: str, remedy: str = AGAIN) -> Rule:
    """A text has a form, where known."""
    return texts(name, re.compile(pattern).fullmatch, f"is '{{{name}}}', must be {must}", remedy)


def one_of(name: str, known: Iterable[str]) -> Rule:
    """A text is one of a few, where known."""
    return matches(name, "|".join(known), f"one of {', '.join(known)}")


def ordered(*names: str) -> list[Rule]:
    """No figure is larger than the next, where both are known."""

    def rule(small: str, large: str) -> Rule:
        def broken(rows: pd.DataFrame) -> pd.Series:
            low, high = floats(rows, small, large)
            return low > high + TOLERANCE * high.abs()

        return Rule(small, broken, f"is {{{small}:.6g}}, above {large}, {{{large}:.6g}}")

    return [rule(small, large) for small, large in pairwise(names)]


def together(a: str, b: str) -> Rule:
    """Two fields are known together."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        return rows[a].isna() != rows[b].isna()

    return Rule(a, broken, f"is {{{a}}} where {b} is {{{b}}}", f"{AGAIN}, or write null for both")


def equal(name: str, expected: Callable[[pd.DataFrame], pd.Series], what: str) -> Rule:
    """A figure is what follows from others, where they are known."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        (values,), wanted = floats(rows, name), expected(rows)
        return (values - wanted).abs() > TOLERANCE * wanted.abs()

    return Rule(name, broken, f"is {{{name}:.6g}}, which is not {what}")


def is_json(name: str) -> Rule:
    """A text is JSON, where known."""
    return texts(name, _parses, "is not JSON")


def _parses(content: str) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
