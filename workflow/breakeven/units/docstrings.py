"""Reads the parts of a unit's docstring, and the parameters of its class."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from breakeven.units.registry import Unit

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


@dataclass(frozen=True)
class Parameter:
    """A field of a unit's class, in words."""

    name: str
    type: str  # a type's name, or the values of a choice: "gru | lstm"
    range: str  # "at least 1, at most 8"; empty where any value is allowed
    default: str  # empty where a value must be given
    description: str


def docstring(unit: Unit) -> str:
    """The docstring of a unit's module, which is imported. `registry.load` explains modules that do not import."""
    return inspect.getdoc(import_module(unit.module)) or ""


def beginning(text: str) -> str:
    """The first paragraph of a docstring, on one line."""
    return _plain(text.partition("\n\n")[0])


def parts(text: str, headings: tuple[str, ...]) -> dict[str, str]:
    """The texts after each `heading: ` of a docstring, in its order, up to the next heading or an empty line.

    A heading stands at the beginning of a line or of a sentence.
    """
    heading = rf"(?:^|(?<=[.?!] ))({'|'.join(map(re.escape, headings))}): "
    found: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        _, *pieces = re.split(heading, paragraph, flags=re.MULTILINE)
        found |= dict(zip(pieces[::2], map(_plain, pieces[1::2]), strict=True))
    return found


def parameters(cls: type) -> tuple[Parameter, ...]:
    """The parameters of a unit's class, in the order of their declaration."""
    return tuple(_parameters(cls))


def choices(name: str, cls: type) -> Iterator[str]:
    """The texts of a unit with one value of one choice given: `ag_news-network=gru`, `ag_news-network=lstm`, …"""
    for field, info in _fields(cls).items():
        values = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
        yield from (f"{name}-{field}={value}" for value in values)


def value(of: object) -> str:
    """A parameter's value as a user types it."""
    return f"{of:g}" if isinstance(of, float) else str(of)


def _parameters(cls: type) -> Iterator[Parameter]:
    for name, info in _fields(cls).items():
        default = "" if info.is_required() else value(info.get_default(call_default_factory=True))
        yield Parameter(name, _type(info.annotation), _range(info.metadata), default, info.description or "")


def _fields(cls: type) -> dict[str, FieldInfo]:
    return getattr(cls, "__pydantic_fields__", {})


def _type(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(value, get_args(annotation)))
    if annotation is bool:
        return "True | False"
    options = [getattr(option, "__name__", str(option)) for option in get_args(annotation) or (annotation,)]
    return " | ".join("None" if option == "NoneType" else option for option in options)


def _range(constraints: list[object]) -> str:
    bounds = ((words, getattr(each, bound, None)) for each in constraints for bound, words in BOUNDS.items())
    return ", ".join(f"{words} {value(limit)}" for words, limit in bounds if limit is not None)


def _plain(text: str) -> str:
    return " ".join(text.split())
