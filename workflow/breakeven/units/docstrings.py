"""What the file of a unit says of it: the parts of its docstring, and its parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from breakeven.units.registry import Unit

BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


@dataclass(frozen=True)
class Parameter:
    """A field of a unit."""

    name: str
    type: str  # of choices: the values
    range: str  # empty where any value will do
    default: str
    description: str


def docstring(unit: Unit) -> str:
    """The docstring of a unit's file, which is not run."""
    return ast.get_docstring(ast.parse(unit.path.read_text())) or ""


def beginning(text: str) -> str:
    """The first paragraph."""
    return _plain(text.partition("\n\n")[0])


def parts(text: str, headings: tuple[str, ...]) -> dict[str, str]:
    """What follows `heading: ` in a docstring, in its order: up to the next heading or an empty line.

    A heading stands at the beginning of a line or of a sentence.
    """
    heading = rf"(?:^|(?<=[.?!] ))({'|'.join(map(re.escape, headings))}): "
    found: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        _, *pieces = re.split(heading, paragraph, flags=re.MULTILINE)
        found |= dict(zip(pieces[::2], map(_plain, pieces[1::2]), strict=True))
    return found


def parameters(cls: type) -> tuple[Parameter, ...]:
    """The parameters of a unit's class."""
    return tuple(_parameters(cls))


def choices(name: str, cls: type) -> Iterator[str]:
    """The unit with each of its choices made, one at a time."""
    for field, info in _fields(cls).items():
        values = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
        yield from (f"{name}-{field}={value}" for value in values)


def value(of: Any) -> str:
    """A parameter's value as one types it."""
    return f"{of:g}" if isinstance(of, float) else str(of)


def _parameters(cls: type) -> Iterator[Parameter]:
    for name, info in _fields(cls).items():
        default = "" if info.is_required() else value(info.get_default(call_default_factory=True))
        yield Parameter(name, _type(info.annotation), _range(info.metadata), default, info.description or "")


def _fields(cls: type) -> dict[str, Any]:
    return getattr(cls, "__pydantic_fields__", {})


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(value, get_args(annotation)))
    if annotation is bool:
        return "True | False"
    options = [getattr(option, "__name__", str(option)) for option in get_args(annotation) or (annotation,)]
    return " | ".join("None" if option == "NoneType" else option for option in options)


def _range(constraints: list[Any]) -> str:
    bounds = ((words, getattr(each, bound, None)) for each in constraints for bound, words in BOUNDS.items())
    return ", ".join(f"{words} {value(limit)}" for words, limit in bounds if limit is not None)


def _plain(text: str) -> str:
    return " ".join(text.split())
