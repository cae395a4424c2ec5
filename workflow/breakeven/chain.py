"""Chains of compression steps and a runtime, such as `channel_pruning-ratio=0.5+int8_static`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import zip_longest

from breakeven import registry
from breakeven.errors import UserError
from breakeven.hardware import HardwareProfile
from breakeven.method import CompressionMethod, ExportedCompressionMethod, Method, Runtime
from breakeven.task import Task

REFERENCE = "fp32"  # the trained model itself, served by eager torch: what every other chain is compared with
DEFAULT_RUNTIME = "eager"


@dataclass(frozen=True)
class Chain:
    """Steps in canonical spelling: compressions of the module, then a runtime's export, then of its file."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        """The shortest spelling: a runtime is not named where the next step implies it."""
        shown = [
            step
            for step, following in zip_longest(self.steps, self.steps[1:])
            if following is None or not _is(following, ExportedCompressionMethod) or not _is(step, Runtime)
        ]
        return "+".join(shown) or REFERENCE

    @property
    def prefix(self) -> Chain:
        """The chain whose artifact the last step starts from."""
        return Chain(self.steps[:-1])

    @property
    def compressions(self) -> str:
        """The chain without its runtime: the `method` of a row."""
        return "+".join(step for step in self.steps if not _is(step, Runtime)) or REFERENCE

    @property
    def runtime(self) -> str:
        """The runtime that serves the result."""
        return next((step for step in self.steps if _is(step, Runtime)), DEFAULT_RUNTIME)

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """The steps, made."""
        return tuple(registry.method(step) for step in (*self.steps, *(() if self._exported else (DEFAULT_RUNTIME,))))

    @property
    def _exported(self) -> bool:
        return any(_is(step, Runtime) for step in self.steps)

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        """The first step's reason not to serve this pair, or None."""
        reasons = ((type(m).__name__, m.unsupported(task, hardware)) for m in self.methods)
        return next((f"{name}: {reason}" for name, reason in reasons if reason), None)


@cache
def parse(text: str) -> Chain:
    """The chain that `text` names.

    Raises:
        UserError: an unknown step or parameter, or an order that makes no sense, with the reason.
    """
    steps: list[str] = []
    runtime: str | None = None
    for part in text.split("+"):
        if part in (REFERENCE, ""):
            if part == REFERENCE and text == REFERENCE:
                return Chain(())
            raise UserError(f"chain '{text}': '{part}' cannot be a step: write '{REFERENCE}' alone, or leave it out")
        step = registry.identify("methods", part)
        method = registry.method(part)
        if isinstance(method, Runtime):
            if runtime is not None and runtime != step:
                raise UserError(f"chain '{text}': '{part}' follows the runtime '{runtime}': a chain has one runtime")
            if runtime is None and step != DEFAULT_RUNTIME:
                _require_exportable(text, steps, step)
                steps.append(step)
            runtime = step
        elif isinstance(method, ExportedCompressionMethod):
            if runtime is None:
                _require_exportable(text, steps, step)
                steps.append(runtime := registry.identify("methods", method.runtime))
            if runtime != method.runtime:
                raise UserError(f"chain '{text}': '{part}' compresses files of '{method.runtime}', not '{runtime}'")
            steps.append(step)
        elif isinstance(method, CompressionMethod):
            if runtime is not None:
                raise UserError(f"chain '{text}': '{part}' compresses a module: put it before '{runtime}'")
            _require_exportable(text, steps, step)
            steps.append(step)
        else:
            raise UserError(f"chain '{text}': '{part}' is a training method: list it under 'training'")
    return Chain(tuple(steps))


def _require_exportable(text: str, steps: list[str], step: str) -> None:
    if steps and _is(steps[-1], CompressionMethod) and not registry.method(steps[-1]).exportable:  # type: ignore[attr-defined]
        raise UserError(f"chain '{text}': nothing can follow '{steps[-1]}', such as '{step}': put it last")


def _is(step: str, contract: type) -> bool:
    return isinstance(registry.method(step), contract)
