"""Chains of compression steps and a runtime, such as `channel_pruning-ratio=0.5+int8_static`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import cast

from breakeven.errors import UserError
from breakeven.hardware import HardwareProfile
from breakeven.method import ORDER, WHAT, CompressionMethod, DistributedRuntime, Method, Runtime
from breakeven.protocol import REFERENCE, REFERENCE_RUNTIME
from breakeven.task import Task
from breakeven.units import registry


@dataclass(frozen=True)
class Chain:
    """Steps in canonical spelling: compressions of the module, a runtime's export, then compressions of its file."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        """The shortest spelling: it omits a runtime that the next step implies."""
        shown = [
            step
            for step, following in zip_longest(self.steps, self.steps[1:])
            if following is None or not _is(step, Runtime) or not _compression(following).on_file
        ]
        return "+".join(shown) or REFERENCE

    @property
    def prefix(self) -> Chain:
        """The chain without its last step: that step starts from this chain's artifact."""
        return Chain(self.steps[:-1])

    @property
    def compressions(self) -> str:
        """The chain without its runtime: the `method` of a row."""
        return "+".join(step for step in self.steps if not _is(step, Runtime)) or REFERENCE

    @property
    def runtime(self) -> str:
        """The runtime that serves the result."""
        return next((step for step in self.steps if _is(step, Runtime)), REFERENCE_RUNTIME)

    @property
    def served_by(self) -> Runtime:
        """An instance of that runtime."""
        return cast(Runtime, registry.method(self.runtime))

    @property
    def precision(self) -> str:
        """The precision of the stored weights, or the runtime's precision if it computes in another."""
        found = [_compression(step).precision for step in self.steps if _is(step, CompressionMethod)]
        found.append(self.served_by.precision)
        return next((precision for precision in reversed(found) if precision), REFERENCE)

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Instances of the steps, and of the reference runtime if no step is a runtime."""
        return tuple(registry.method(step) for step in (*self.steps, *(() if self._exported else (REFERENCE_RUNTIME,))))

    @property
    def _exported(self) -> bool:
        return any(_is(step, Runtime) for step in self.steps)

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """The reason of the first step that does not support this pair, or None."""
        reasons = ((type(m).__name__, m.unsupported(task, hardware)) for m in self.methods)
        return next((f"{name}: {reason}" for name, reason in reasons if reason), None)


@registry.remembered
def parse(text: str) -> Chain:
    """The chain that `text` names, without additions: the prefix of a longer chain may lack a runtime.

    Raises:
        UserError: an unknown step or parameter, or an invalid order, with the reason.
    """
    if text == REFERENCE:
        return Chain(())
    building = _Building(text)
    for part in text.split("+"):
        building.add(part)
    return Chain(tuple(building.steps))


@registry.remembered
def served(text: str) -> Chain:
    """The chain that `text` names, with the runtime that its last step needs."""
    chain = parse(text)
    needed = _compression(chain.steps[-1]).runtime if chain.steps and not chain._exported else None
    return chain if needed in (None, REFERENCE_RUNTIME) else parse(f"{text}+{needed}")


class _Building:
    """Builds a chain and checks each step."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: list[str] = []
        self.runtime: str | None = None  # set once the model is exported

    def add(self, part: str) -> None:
        if part in (REFERENCE, ""):
            raise self._error(f"'{part}' cannot be a step: write '{REFERENCE}' alone, or leave it out")
        step, method = registry.identify("methods", part), registry.method(part)
        if isinstance(method, Runtime):
            self._export(step)
        elif isinstance(method, CompressionMethod):
            self._compress(step, method)
        else:
            raise self._error(f"'{step}' is a training method: list it under 'training_cells'")

    def _export(self, step: str) -> None:
        if self.runtime not in (None, step):
            raise self._error(f"'{step}' follows the runtime '{self.runtime}': a chain has one runtime")
        if self.runtime is None:
            needed = _compression(self.steps[-1]).runtime if self.steps else None
            calls_modules = isinstance(registry.method(step), DistributedRuntime) and needed == REFERENCE_RUNTIME
            if needed not in (None, step.partition("-")[0]) and not calls_modules:  # parameters do not matter
                raise self._error(f"'{self.steps[-1]}' is served by '{needed}' alone: leave '{step}' out")
            if step != REFERENCE_RUNTIME:
                self.steps.append(step)
        self.runtime = step

    def _compress(self, step: str, method: CompressionMethod) -> None:
        before = next((s for s in reversed(self.steps) if _is(s, CompressionMethod)), None)
        if before is not None:
            self._require_order(before, step)
        if not method.on_file and self.runtime is not None:
            raise self._error(f"'{step}' compresses a module: put it before '{self.runtime}'")
        if method.on_file:
            assert method.runtime is not None
            needed = registry.identify("methods", method.runtime)
            if self.runtime not in (None, needed):
                raise self._error(f"'{step}' compresses files of '{needed}', not '{self.runtime}'")
            self._export(needed)
        self.steps.append(step)

    def _require_order(self, before: str, step: str) -> None:
        first, second = _compression(before).changes, _compression(step).changes
        if ORDER.index(second) < ORDER.index(first):
            why = f"changes {WHAT[second]}, which undoes what '{before}' did to {WHAT[first]}"
            raise self._error(f"'{step}' {why}: put '{step}' before '{before}'")
        if second == first == "precision":
            raise self._error(f"'{before}' has set the precision already: leave '{before}' or '{step}' out")

    def _error(self, what: str) -> UserError:
        return UserError(f"chain '{self.text}': {what}")


def _is(step: str, contract: type) -> bool:
    return isinstance(registry.method(step), contract)


def _compression(step: str) -> CompressionMethod:
    return cast(CompressionMethod, registry.method(step))
