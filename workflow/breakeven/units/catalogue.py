"""Describes methods and tasks in words, from their docstrings and classes, for the dashboard and the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from breakeven.errors import UserError
from breakeven.method import WHAT, CompressionMethod, Method, Runtime
from breakeven.protocol import REFERENCE_RUNTIME
from breakeven.task import Lengths, Quality, Recipe, Task
from breakeven.units import docstrings, registry
from breakeven.units.docstrings import Parameter

BRANCHES = ["compression", "runtime", "training", "distributed"]  # folders of methods, in the order shown
DOMAINS = ["vision", "nlp", "speech", "recommendation", "medical"]  # folders of tasks, in the order shown
GROUPS = {"methods": BRANCHES, "tasks": DOMAINS}
PARTS = (
    "Data",
    "Split",
    "Model",
    "Metric",
    "Baseline",
    "Published",
    "Reference",
    "Known limits",
)  # headings of a task's docstring
DATA_KINDS = {
    "recorded": "recorded: collected from the world",
    "composed": "composed of recorded parts",
    "synthetic": "synthetic: made by a program",
}
ANY = "any runtime"  # that takes a module


@dataclass(frozen=True)
class DescribedMethod:
    """A method, in words."""

    name: str
    branch: str  # the folder
    does: str  # up to three sentences
    paper: str  # the paper that it follows, in words
    reference: str  # the paper as an arXiv id or an address
    limits: str
    parameters: tuple[Parameter, ...]
    changes: str  # of a model; empty where it compresses nothing
    served_by: tuple[str, ...]  # runtimes, with the parameter that asks for one; empty where no model is served
    data_partition: str  # the samples of each process in a training or a runtime; empty for other methods
    model_partition: str  # the parameters of each process; in training, its gradients and optimiser states too

    @property
    def link(self) -> str | None:
        """The address of the reference; None where it is no address."""
        arxiv = re.fullmatch(r"arXiv:(\S+)", self.reference)
        if arxiv:
            return f"https://arxiv.org/abs/{arxiv[1]}"
        return self.reference if self.reference.startswith("http") else None

    @property
    def cited(self) -> str:
        """The reference in short: an arXiv id, or the publisher's host name."""
        found = re.match(r"https?://(?:arxiv\.org/abs/(\S+)|([^/]+))", self.reference)
        return self.reference if not found else f"arXiv:{found[1]}" if found[1] else found[2]


@dataclass(frozen=True)
class Training:
    """A task's training and quality, with one value of a choice given."""

    choice: str  # such as "weights=minilm"; empty for the defaults
    recipe: Recipe
    quality: Quality


@dataclass(frozen=True)
class DescribedTask:
    """A task, in words."""

    name: str
    domain: str  # the folder
    title: str
    asks: str  # the question that a model answers
    data_kind: str  # a key of DATA_KINDS
    licence: str  # of the data
    parts: tuple[tuple[str, str], ...]  # of the docstring: a heading of PARTS, and its text
    length_unit: str | None  # of the inputs, where samples differ in length
    trainings: tuple[Training, ...]  # by default, and for each choice that differs; empty where a parameter is missing
    parameters: tuple[Parameter, ...]

    @property
    def quality(self) -> Quality | None:
        """The quality of the task with its default parameters; None where a parameter must be given."""
        return self.trainings[0].quality if self.trainings else None


def metric_of(quality: Quality) -> str:
    """The metric with its unit: `top1 accuracy`, `log mel distance [dB]`."""
    return quality.metric.replace("_", " ") + ("" if quality.unit == "ratio" else f" [{quality.unit}]")


def target_of(quality: Quality) -> str:
    """The target in words: `at least 0.88`."""
    return f"{'at least' if quality.higher_is_better else 'at most'} {quality.target:g}"


def names(kind: str) -> list[str]:
    """The names of all units of a kind, methods ordered by branch and tasks by domain."""
    units, order = registry.units(kind).values(), GROUPS[kind]
    own = {group: place for place, group in enumerate(order)}
    return [
        unit.name for unit in sorted(units, key=lambda unit: (own.get(unit.group, len(own)), unit.group, unit.name))
    ]


@registry.remembered
def method(name: str) -> DescribedMethod:
    """Describe a method.

    Raises:
        UserError: there is no such method, or its file does not import.
    """
    unit, cls = registry.find("methods", name), registry.load("methods", name)
    text = docstrings.docstring(unit)
    said = docstrings.parts(text, ("Reference", "Limits"))
    return DescribedMethod(
        name=name,
        branch=unit.group,
        does=docstrings.beginning(text),
        paper=said.get("Reference", ""),
        reference=getattr(cls, "reference", ""),
        limits=said.get("Limits", ""),
        parameters=docstrings.parameters(cls),
        changes=WHAT[cls.changes] if issubclass(cls, CompressionMethod) else "",
        served_by=_served_by(name, cls),
        data_partition=getattr(cls, "data_partition", ""),
        model_partition=getattr(cls, "model_partition", ""),
    )


@registry.remembered
def task(name: str) -> DescribedTask:
    """Describe a task, without its data.

    Raises:
        UserError: there is no such task, or its file does not import.
    """
    unit = registry.find("tasks", name)
    cls: type[Task] = registry.load("tasks", name)
    text = docstrings.docstring(unit)
    title, _, asks = docstrings.beginning(text).partition(": ")
    lengths = getattr(_made(name) or cls, "lengths", None)
    return DescribedTask(
        name=name,
        domain=unit.group,
        title=cls.title,
        asks=asks[:1].upper() + asks[1:] if asks else title,
        data_kind=cls.data_kind,
        licence=cls.licence,
        parts=tuple(docstrings.parts(text, PARTS).items()),
        length_unit=lengths.unit if isinstance(lengths, Lengths) else None,
        trainings=tuple(_trainings(name, cls)),
        parameters=docstrings.parameters(cls),
    )


def refusals(name: str) -> dict[str, list[str]]:
    """The reasons why a method or its runtime refuses tasks on hardware profiles, with default parameters.

    Returns:
        `{reason: [profile, or "task on profile", …]}`.
    """
    asked: list[Method] = [registry.method(name)]
    if isinstance(asked[0], CompressionMethod):
        asked.append(registry.method(asked[0].runtime or REFERENCE_RUNTIME))
    tasks = {task: made for task in registry.units("tasks") if (made := _made(task))}
    found: dict[str, dict[str, list[str]]] = {}
    for profile in registry.units("hardware"):
        for task, made in tasks.items():
            pair = made, registry.hardware(profile)
            reason = next((reason for each in asked if (reason := each.unsupported(*pair))), None)
            if reason:
                found.setdefault(reason, {}).setdefault(profile, []).append(task)
    return {
        reason: [place for profile, of in where.items() for place in _shortened(profile, of, len(tasks))]
        for reason, where in found.items()
    }


def _shortened(profile: str, tasks: list[str], all_tasks: int) -> list[str]:
    """The places of a reason: the profile alone where all tasks are refused there."""
    return [profile] if len(tasks) == all_tasks else [f"{task} on {profile}" for task in tasks]


def _trainings(name: str, cls: type[Task]) -> list[Training]:
    """The training with default parameters, and with each choice that changes it."""
    found: list[Training] = []
    for text in (name, *docstrings.choices(name, cls)):
        made = _made(text) or cls  # the class has the values that no parameter changes
        recipe, quality = getattr(made, "recipe", None), getattr(made, "quality", None)
        differs = not found or (recipe, quality) != (found[0].recipe, found[0].quality)
        if isinstance(recipe, Recipe) and isinstance(quality, Quality) and differs:
            found.append(Training(text.partition("-")[2], recipe, quality))
    return found


def _made(task: str) -> Task | None:
    """Make the task; None where a parameter must be given first."""
    try:
        return registry.task(task)
    except UserError:
        return None


def _served_by(name: str, cls: type) -> tuple[str, ...]:
    """The runtimes that serve the result: with default parameters, and with each choice that changes the runtime."""
    if issubclass(cls, Runtime):
        return (name,)
    if not issubclass(cls, CompressionMethod):
        return ()
    default = _runtime(name)
    found = [default]
    for text in docstrings.choices(name, cls):
        try:
            other = _runtime(text)
        except UserError:
            continue  # this choice needs another one
        if other != default:
            found.append(f"{other} ({text.partition('-')[2]})")
    return tuple(found)


def _runtime(text: str) -> str:
    return cast(CompressionMethod, registry.method(text)).runtime or ANY
