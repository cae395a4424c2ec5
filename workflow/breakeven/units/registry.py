"""Finds units by their path and makes them from their text, such as `magnitude_pruning-sparsity=0.8`.

A unit is a file `tasks/<domain>/<name>.py`, `methods/<branch>/<name>.py` or `hardware/<name>.yaml` (or a folder
`<name>/` with an `__init__.py`) below the repository, a directory in `$BREAKEVEN_PATH`, or an installed entry point
of the groups `breakeven.tasks` and `breakeven.methods`. Listing imports no unit.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from breakeven import plugins
from breakeven.errors import UserError, did_you_mean
from breakeven.files import with_shared
from breakeven.hardware import HardwareProfile, Slurm
from breakeven.method import Method
from breakeven.task import Task
from breakeven.units.schema import read_yaml

CONTRACTS = {"tasks": Task, "methods": Method}
VALUE = re.compile(r"[A-Za-z0-9_.-]+")  # the value of a string parameter, which becomes part of a path
Function = TypeVar("Function", bound=Callable[..., Any])
_forgetters: list[Callable[[], None]] = []


def remembered(function: Function) -> Function:
    """Cache a function that reads the files of units, until `forget` empties the cache."""
    found = cache(function)
    _forgetters.append(found.cache_clear)
    return cast(Function, found)


def forget() -> None:
    """Empty the caches of all units, for instance after a folder of units was added."""
    for clear in _forgetters:
        clear()


@dataclass(frozen=True)
class Unit:
    """The place of a unit. It is not imported."""

    kind: str  # tasks, methods or hardware
    group: str  # the domain of a task, the branch of a method
    name: str
    path: Path
    module: str
    attribute: str | None = None  # the class, where an entry point names it

    @cached_property
    def sources(self) -> list[str]:
        """The unit's files, including those that it shares with others. Its jobs depend on them.

        They are looked up once, since a plan asks for them for each job.
        """
        own = self.path.parent.glob("*.py") if self.path.name == "__init__.py" else [self.path]
        return list(map(str, with_shared(own)))


@remembered
def units(kind: str) -> dict[str, Unit]:
    """All units of a kind by name.

    Raises:
        UserError: two units share a name.
    """
    found: dict[str, Unit] = {}
    for unit in [*_in_folders(kind), *_in_entry_points(kind)]:
        if unit.name in found:
            raise UserError(f"{unit.path}: {kind} '{unit.name}' is also {found[unit.name].path}: rename one")
        found[unit.name] = unit
    return found


def find(kind: str, name: str) -> Unit:
    """The unit of that name.

    Raises:
        UserError: there is none; the message has the nearest known name.
    """
    if name not in units(kind):
        noun = {"tasks": "task", "methods": "method", "hardware": "hardware profile"}[kind]
        raise UserError(f"unknown {noun} '{name}': {did_you_mean(name, units(kind))}")
    return units(kind)[name]


def task(text: str) -> Task:
    """Make the task that `text` names, with its parameters.

    Raises:
        UserError: the name or a parameter is unknown, a value is not allowed, or the file does not import.
    """
    return _create("tasks", text)


def method(text: str) -> Method:
    """Make the method that `text` names, with its parameters.

    Raises:
        UserError: the name or a parameter is unknown, a value is not allowed, or the file does not import.
    """
    return _create("methods", text)


@remembered
def hardware(name: str) -> HardwareProfile:
    """The hardware profile of that name.

    Raises:
        UserError: there is none, or its file is not valid.
    """
    return read_profile(find("hardware", name).path)


def read_profile(path: Path) -> HardwareProfile:
    """The profile in a YAML file.

    Raises:
        UserError: the file is not YAML, or breaks `schemas/hardware.schema.yaml`.
    """
    content = read_yaml(path, schema="hardware")
    network_mbit = content.pop("network", {}).get("rate_mbit")
    slurm = Slurm(**content.pop("slurm", {}))
    return HardwareProfile(name=path.stem, network_mbit=network_mbit, slurm=slurm, **content)


def accelerator(hardware_name: str) -> str:
    """The kind of accelerator of a hardware profile, cpu or cuda: quality is evaluated once on each."""
    return hardware(hardware_name).accelerator


def task_sources(text: str) -> list[str]:
    """The files that make up a task: an input of its jobs."""
    return find("tasks", text.partition("-")[0]).sources


def method_sources(text: str) -> list[str]:
    """The files that make up a method: an input of its jobs."""
    return find("methods", text.partition("-")[0]).sources


def hardware_sources(names: Iterable[str]) -> list[str]:
    """The files of hardware profiles."""
    return sorted({source for name in names for source in find("hardware", name).sources})


def identify(kind: str, text: str) -> str:
    """The canonical text of a unit: parameters in the order of their declaration, without those at their default."""
    instance, name = _create(kind, text), text.partition("-")[0]
    known = dataclasses.fields(instance) if dataclasses.is_dataclass(instance) else ()
    fields = [f for f in known if getattr(instance, f.name) != _default(f)]
    return "-".join([name, *(f"{f.name}={getattr(instance, f.name)}" for f in fields)])


def parameters(instance: object) -> dict[str, Any]:
    """All parameters of a unit with their values, including defaults."""
    return dataclasses.asdict(instance) if dataclasses.is_dataclass(instance) else {}  # type: ignore[arg-type]


def load(kind: str, name: str) -> type:
    """The class of a unit.

    Raises:
        UserError: the file does not import, or does not hold exactly one subclass of the contract.
    """
    unit = find(kind, name)
    try:
        module = import_module(unit.module)
    except Exception as error:
        line = next((f.lineno for f in reversed(inspect.trace()) if f.filename == str(unit.path)), None)
        place = f"{unit.path}, line {line or getattr(error, 'lineno', '?')}"
        raise UserError(f"{place}: does not import ({type(error).__name__}: {error}): correct the file") from error
    if unit.attribute:
        return getattr(module, unit.attribute)
    classes = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, CONTRACTS[kind]) and c.__module__ == module.__name__
    ]
    if len(classes) != 1:
        contract = CONTRACTS[kind].__name__
        raise UserError(f"{unit.path}: holds {len(classes)} subclasses of {contract}: a unit is one file, one class")
    return classes[0]


@remembered
def _create(kind: str, text: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    name, given = _split(text)
    cls = load(kind, name)
    known = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
    for key, value in given.items():
        if key not in known:
            raise UserError(f"{text}: '{name}' has no parameter '{key}': {did_you_mean(key, known)}")
        if not VALUE.fullmatch(value):
            raise UserError(f"{text}: value of '{key}': only letters, digits, '.', '_' and '-' may be used")
    try:
        return TypeAdapter(cls).validate_python(given) if known else cls()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{text}: parameter '{where}': {first['msg']}, not '{first['input']}'") from error
    except TypeError as error:
        raise UserError(f"{find(kind, name).path}: '{cls.__name__}' breaks its contract: {error}") from error


def _split(text: str) -> tuple[str, dict[str, str]]:
    name, *rest = re.split(r"-(?=[A-Za-z_]\w*=)", text)
    return name, dict(part.split("=", 1) for part in rest)  # type: ignore[misc]


def _default(field: dataclasses.Field) -> Any:
    default = field.default
    if type(default).__name__ == "FieldInfo":  # pydantic keeps its own description as the dataclass's default
        return default.default  # type: ignore[union-attr]
    return default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _in_folders(kind: str) -> list[Unit]:
    roots = [Path(root) for root in plugins.__path__]
    for root in roots:
        if not root.is_dir():
            raise UserError(f"$BREAKEVEN_PATH: {root}: no such directory: correct or unset the variable")
    if kind == "hardware":
        paths = [path for root in roots for path in sorted(root.glob("hardware/*.yaml"))]
        return [Unit(kind, "", path.stem, path, "") for path in paths]
    found = []
    for path in (path for root in roots for path in sorted(root.glob(f"{kind}/*/*"))):
        if path.suffix == ".py" and not path.name.startswith("_"):
            name, file = path.stem, path
        elif (path / "__init__.py").is_file():
            name, file = path.name, path / "__init__.py"
        else:
            continue
        module = f"{plugins.__name__}.{kind}.{path.parent.name}.{name}"
        found.append(Unit(kind, path.parent.name, name, file, module))
    return found


def _in_entry_points(kind: str) -> list[Unit]:
    return [_from_entry_point(kind, entry) for entry in entry_points(group=f"breakeven.{kind}")]


def _from_entry_point(kind: str, entry: EntryPoint) -> Unit:
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        raise UserError(f"entry point {entry.name} = {entry.value}: no such module: reinstall its package")
    group = entry.dist.name if entry.dist else ""
    return Unit(kind, group, entry.name, Path(spec.origin), entry.module, entry.attr or None)
