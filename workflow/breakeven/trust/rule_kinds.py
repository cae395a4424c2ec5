"""The kinds of rules for the figures of rows. Each rule checks all rows of a board at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from string import Formatter

import pandas as pd

from breakeven.scoring.ratios import succeeded

AGAIN = "measure the cell again"
TOLERANCE = 1e-6  # relative, between figures that were computed from one another


@dataclass(frozen=True)
class Rule:
    """A condition that every row of a board must meet."""

    field: str
    broken: Callable[[pd.DataFrame], pd.Series]  # the rows that break the rule
    problem: str  # a format string for the row's fields
    remedy: str = AGAIN

    def explain(self, row: Mapping[str, object]) -> str:
        """`field: what is wrong: what to do`, for a row that breaks it."""
        return f"{self.field}: {_Words().vformat(self.problem, (), row)}: {self.remedy}"


class _Words(Formatter):
    """Formats None as "unknown", whatever the figure's format is."""

    def format_field(self, value: object, format_spec: str) -> str:
        return "unknown" if value is None else super().format_field(value, format_spec)


def floats(rows: pd.DataFrame, *names: str) -> Iterator[pd.Series]:
    """Columns as floating-point numbers. An empty column has no type of its own."""
    return (rows[name].astype(float) for name in names)


def text(rows: pd.DataFrame, name: str) -> pd.Series:
    """A column as text; missing values stay missing."""
    return rows[name].astype("str")


def positive(*names: str) -> list[Rule]:
    """Known figures are above 0."""
    return [compared(name, lambda values: values <= 0, "must be above 0") for name in names]


def not_negative(*names: str) -> list[Rule]:
    """Known figures are not below 0."""
    return [compared(name, lambda values: values < 0, "must not be below 0") for name in names]


def compared(name: str, wrong: Callable[[pd.Series], pd.Series], must: str) -> Rule:
    """A figure is not among the values that `wrong` selects."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        (values,) = floats(rows, name)
        return wrong(values)

    return Rule(name, broken, f"is {{{name}:g}}, {must}")


def ratio(*names: str) -> list[Rule]:
    """Qualities with the unit `ratio` lie in 0..1."""

    def rule(name: str) -> Rule:
        def broken(rows: pd.DataFrame) -> pd.Series:
            (values,) = floats(rows, name)
            return rows["metric_unit"].eq("ratio") & ((values < 0) | (values > 1))

        return Rule(name, broken, f"is {{{name}:g}}, must lie in 0..1, since metric_unit is ratio")

    return [rule(name) for name in names]


def present(*names: str) -> list[Rule]:
    """Fields are known in the rows of successful cells."""
    return [needed(name, succeeded, "is missing, the status is ok") for name in names]


def needed(name: str, where: Callable[[pd.DataFrame], pd.Series], problem: str, remedy: str = AGAIN) -> Rule:
    """A field is known in the rows that `where` selects."""
    return Rule(name, lambda rows: where(rows) & rows[name].isna(), problem, remedy)


def texts(name: str, right: Callable[[str], object], problem: str, remedy: str = AGAIN) -> Rule:
    """A known text meets the condition `right`, which is asked once for each distinct text."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        return rows[name].isin([content for content in rows[name].dropna().unique() if not right(content)])

    return Rule(name, broken, problem, remedy)


def matches(name: str, pattern: str, must: str, remedy: str = AGAIN) -> Rule:
    """A known text matches a pattern."""
    return texts(name, re.compile(pattern).fullmatch, f"is '{{{name}}}', must be {must}", remedy)


def one_of(name: str, known: Iterable[str]) -> Rule:
    """A known text is one of a few."""
    return matches(name, "|".join(known), f"one of {', '.join(known)}")


def ordered(*names: str) -> list[Rule]:
    """Each figure is at most as large as the next one, where both are known."""

    def rule(small: str, large: str) -> Rule:
        def broken(rows: pd.DataFrame) -> pd.Series:
            low, high = floats(rows, small, large)
            return low > high + TOLERANCE * high.abs()

        return Rule(small, broken, f"is {{{small}:.6g}}, above {large}, {{{large}:.6g}}")

    return [rule(small, large) for small, large in pairwise(names)]


def together(a: str, b: str) -> Rule:
    """Two fields are either both known or both null."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        return rows[a].isna() != rows[b].isna()

    return Rule(a, broken, f"is {{{a}}} where {b} is {{{b}}}", f"{AGAIN}, or write null for both")


def equal(name: str, expected: Callable[[pd.DataFrame], pd.Series], what: str) -> Rule:
    """A figure equals the value that is computed from other fields, where they are known."""

    def broken(rows: pd.DataFrame) -> pd.Series:
        (values,), wanted = floats(rows, name), expected(rows)
        return (values - wanted).abs() > TOLERANCE * wanted.abs()

    return Rule(name, broken, f"is {{{name}:.6g}}, which is not {what}")


def is_json(name: str) -> Rule:
    """A known text is JSON."""
    return texts(name, _parses, "is not JSON")


def _parses(content: str) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
