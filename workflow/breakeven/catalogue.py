"""What a method is, read from its file and its class: for its page, and for `breakeven methods`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin

from breakeven import registry
from breakeven.chain import DEFAULT_RUNTIME, WHAT
from breakeven.errors import UserError
from breakeven.method import CompressionMethod, Method, Runtime

BRANCHES = ["compression", "runtime", "training", "distributed"]
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
ANY = "any runtime"  # that takes a module


@dataclass(frozen=True)
class Parameter:
    """A field of a method."""

    name: str
    type: str  # of choices: the values
    range: str  # empty where any value will do
    default: str
    description: str


@dataclass(frozen=True)
class Described:
    """A method, in words."""

    name: str
    branch: str  # its folder
    does: str  # up to three sentences
    paper: str  # what it follows, in words
    reference: str  # the same as an arXiv id or an address
    limits: str
    parameters: tuple[Parameter, ...]
    changes: str  # of a model; empty where it compresses nothing
    served_by: tuple[str, ...]  # runtimes, with the parameter that asks for one; empty where it serves nothing

    @property
    def link(self) -> str | None:
        """The address of the reference."""
        arxiv = re.fullmatch(r"arXiv:(\S+)", self.reference)
        if arxiv:
            return f"https://arxiv.org/abs/{arxiv[1]}"
        return self.reference if self.reference.startswith("http") else None

    @property
    def cited(self) -> str:
        """The reference, short: an arXiv id, or who publishes it."""
        found = re.match(r"https?://(?:arxiv\.org/abs/(\S+)|([^/]+))", self.reference)
        return self.reference if not found else f"arXiv:{found[1]}" if found[1] else found[2]


def names() -> list[str]:
    """All methods, branch by branch."""
    units = registry.units("methods").values()
    own = {branch: place for place, branch in enumerate(BRANCHES)}
    return [
        unit.name for unit in sorted(units, key=lambda unit: (own.get(unit.group, len(own)), unit.group, unit.name))
    ]


@cache
def describe(name: str) -> Described:
    """What is said of a method in its file.

    Raises:
        UserError: no such method, or its file does not import.
    """
    unit = registry.find("methods", name)
    text = ast.get_docstring(ast.parse(unit.path.read_text())) or ""
    cls = registry.load("methods", name)
    return Described(
        name=name,
        branch=unit.group,
        does=_plain(text.partition("\n\n")[0]),
        paper=_part(text, "Reference"),
        reference=getattr(cls, "reference", ""),
        limits=_part(text, "Limits"),
        parameters=tuple(_parameters(cls)),
        changes=WHAT[cls.changes] if issubclass(cls, CompressionMethod) else "",
        served_by=_served_by(name, cls),
    )


def refusals(name: str) -> dict[str, list[str]]:
    """Why the method or what serves it refuses a task on a hardware profile: `{reason: [where]}`, by its default."""
    asked: list[Method] = [registry.method(name)]
    if isinstance(asked[0], CompressionMethod):
        asked.append(registry.method(asked[0].runtime or DEFAULT_RUNTIME))
    tasks, profiles = registry.units("tasks"), registry.units("hardware")
    found: dict[str, dict[str, list[str]]] = {}
    for profile in profiles:
        for task in tasks:
            pair = registry.task(task), registry.hardware(profile)
            reason = next((reason for each in asked if (reason := each.unsupported(*pair))), None)
            if reason:
                found.setdefault(reason, {}).setdefault(profile, []).append(task)
    return {
        reason: [place for profile, of in where.items() for place in _shortened(profile, of, len(tasks))]
        for reason, where in found.items()
    }


def _shortened(profile: str, tasks: list[str], all_tasks: int) -> list[str]:
    """A profile alone where it is all tasks that are refused there."""
    return [profile] if len(tasks) == all_tasks else [f"{task} on {profile}" for task in tasks]


def _part(text: str, heading: str) -> str:
    """What follows `heading: ` at the beginning of a line, up to the next heading or an empty line."""
    found = re.search(rf"^{heading}: (.+?)(?=\n\n|\n(?:Reference|Limits): |\Z)", text, re.MULTILINE | re.DOTALL)
    return _plain(found[1]) if found else ""


def _plain(text: str) -> str:
    return " ".join(text.split())


def _served_by(name: str, cls: type) -> tuple[str, ...]:
    """The runtimes that serve the result: by default, and by each choice of a parameter that changes it."""
    if issubclass(cls, Runtime):
        return (name,)
    if not issubclass(cls, CompressionMethod):
        return ()
    default = _runtime(name)
    found = [default]
    for text in _choices(name, cls):
        try:
            other = _runtime(text)
        except UserError:
            continue  # a choice that needs another one beside it
        if other != default:
            found.append(f"{other} ({text.partition('-')[2]})")
    return tuple(found)


def _runtime(text: str) -> str:
    return cast(CompressionMethod, registry.method(text)).runtime or ANY


def _choices(name: str, cls: type) -> Iterator[str]:
    """The method with each of its choices made, one at a time."""
    for field, info in _fields(cls).items():
        values = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
        yield from (f"{name}-{field}={value}" for value in values)


def _fields(cls: type) -> dict[str, Any]:
    return getattr(cls, "__pydantic_fields__", {})


def _parameters(cls: type) -> Iterator[Parameter]:
    for name, info in _fields(cls).items():
        default = "" if info.is_required() else _value(info.get_default(call_default_factory=True))
        yield Parameter(name, _type(info.annotation), _range(info.metadata), default, info.description or "")


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(_value, get_args(annotation)))
    if annotation is bool:
        return "True | False"
    options = [getattr(option, "__name__", str(option)) for option in get_args(annotation) or (annotation,)]
    return " | ".join("None" if option == "NoneType" else option for option in options)


def _range(constraints: list[Any]) -> str:
    bounds = ((words, getattr(each, bound, None)) for each in constraints for bound, words in BOUNDS.items())
    return ", ".join(f"{words} {_value(limit)}" for words, limit in bounds if limit is not None)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
