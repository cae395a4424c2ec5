"""The contracts of compressions and runtimes, for every one found, on every task found.

A pair that a method does not support is skipped with the method's own reason. One task of each kind of network runs
with all methods. The other tasks run with the default grid's methods, or with a few of them. `-m exhaustive` runs the
rest.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import public_data
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from breakeven.components.exporting import ROUNDED, TOLERANCE, Examples
from breakeven.components.lengths import POOL, examples, first_length, trimmed
from breakeven.errors import CellFailure, Status
from breakeven.hardware import HardwareProfile
from breakeven.method import CompressionMethod, Runtime
from breakeven.stages.compress.context import make_context
from breakeven.stages.train import fit
from breakeven.task import Task
from breakeven.units import registry

pytestmark = pytest.mark.slow
TASKS = sorted(registry.units("tasks"))
METHODS = sorted(name for name, unit in registry.units("methods").items() if unit.group == "compression")
RUNTIMES = sorted(name for name in registry.units("methods") if issubclass(registry.load("methods", name), Runtime))
THOROUGH = ("fashion_mnist", "movie_sentiment", "mandarin_initials")
COMMON = ["channel_pruning", "int8_dynamic", "int8_static", "low_rank", "magnitude_pruning"]
FEW = ["int8_dynamic", "int8_static", "magnitude_pruning"]  # for tasks on small files that the tests write
USUAL = {task: METHODS if task in THOROUGH else FEW if task in public_data.TASKS else COMMON for task in TASKS}
QUICK = {"fine_tuning": 0.002, "epochs": 0.002, "samples": 32, "energy": 0.6}  # untrained weights have no low rank
CPU = registry.hardware("cpu_1")
SAMPLES, SHORT = 16, 4
FRESH = """
import sys, torch
from breakeven.units import registry
from breakeven.errors import CellFailure
def outputs(runtime, path, profile):
    try:
        return registry.method(runtime).load(path, registry.hardware(profile))(*inputs)
    except CellFailure as failure:
        if failure.status != "unsupported":
            raise
        return failure.reason
inputs, files = torch.load(sys.argv[1])
torch.save({key: outputs(*file) for key, *file in files}, sys.argv[2])
"""


class Bench:
    """One task's model after a few steps of training, and a cache of its compressions."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.task = registry.task(name)
        self.inputs = examples(self.task, SAMPLES) if name in THOROUGH else short_examples(self.task)
        self.made: dict[str, Any] = {}
        fit.start(0, CPU)
        self.model = self.task.model()
        self.context = make_context(self.task, 0, CPU)
        self.context.fine_tune(self.model, QUICK["fine_tuning"], rate=0.1)

    def make(self, name: str, copy: int = 0) -> nn.Module | Path:
        """The result of a compression; each `copy` is compressed anew. Skips the test if the task is unsupported."""
        method = registry.method(quick(name))
        if reason := method.unsupported(self.task, CPU):
            pytest.skip(f"{name} on {type(self.task).__name__}: {reason}")
        key = f"{name}-{copy}"
        if key not in self.made:
            self.made[key] = self._make(method, key)
        if isinstance(self.made[key], CellFailure):
            failure = self.made[key]
            assert failure.status == Status.UNSUPPORTED, failure.reason
            pytest.skip(f"{name} on {type(self.task).__name__}: {failure.reason}")
        return self.made[key]

    def _make(self, method: CompressionMethod, key: str) -> nn.Module | Path | CellFailure:
        source = None
        if method.on_file:
            source = self.export(method.runtime, "fp32", self.model)
        pl.seed_everything(0, verbose=False)
        torch.set_num_threads(1)
        try:
            if source is None:
                return method.compress(self.model, self.context)
            target = self.folder / f"{key}{source.suffix}"
            method.compress_file(source, target, self.context)
        except CellFailure as failure:
            return failure
        return target

    def export(self, runtime: str, name: str, model: nn.Module) -> Path:
        """Export a model to a file, once. Returns the file's path."""
        method = registry.method(runtime)
        path = self.folder / f"{name}{method.suffix}"
        if not path.exists():
            try:
                method.export(model, self.inputs, path)
            except CellFailure as failure:
                assert failure.status == Status.UNSUPPORTED, failure.reason
                pytest.skip(f"{runtime} on {type(self.task).__name__}: {failure.reason}")
        return path

    def outputs(self, made: nn.Module | Path, name: str) -> Tensor:
        """The outputs of a result on the task's samples. A file runs in its runtime."""
        if isinstance(made, Path):
            return registry.method(runtime_of(name)).load(made, CPU)(*self.inputs)
        with torch.inference_mode():
            return made(*self.inputs)


def short_examples(task: Task) -> tuple[Tensor, ...]:
    """Example inputs; a few short ones if samples differ in length, as exporters unroll a GRU over the whole length."""
    found = examples(task, SAMPLES)
    if not isinstance(found, Examples):
        return found
    pool = task.example_inputs(POOL)
    shortest = first_length(task, *pool).argsort()[:SHORT]
    short = Examples(trimmed(task, *(x[shortest] for x in pool)))
    short.dimensions, short.shorter = found.dimensions, found.shorter
    return short


def quick(name: str) -> str:
    fields = [field.name for field in dataclasses.fields(registry.load("methods", name))]
    return "-".join([name, *(f"{field}={QUICK[field]}" for field in fields if field in QUICK)])


def runtime_of(name: str) -> str:
    return registry.method(name).runtime


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        yield Bench(public_data.supply(request.param, folder, patch), folder)


def every_pair() -> Iterator[Any]:
    """List all pairs of tasks and methods. Pairs that take long and test little more are marked as exhaustive."""
    for task in TASKS:
        for name in METHODS:
            usual = name in USUAL[task]
            yield pytest.param(task, name, id=f"{name}-{task}", marks=[] if usual else pytest.mark.exhaustive)


# Without this scope, pytest would make a bench for each test.
by_bench = partial(pytest.mark.parametrize, indirect=["bench"], scope="module")
on_every_task_with_every_method = by_bench(("bench", "name"), list(every_pair()))
on_every_task = by_bench(
    ("bench", "methods", "runtimes"),
    [
        *(pytest.param(task, METHODS, RUNTIMES, id=task) for task in THOROUGH),
        *(pytest.param(t, USUAL[t], ["eager", "onnxruntime"], id=t) for t in TASKS if t not in THOROUGH),
        *(pytest.param(t, METHODS, RUNTIMES, id=t, marks=pytest.mark.exhaustive) for t in TASKS if t not in THOROUGH),
    ],
)


@on_every_task_with_every_method
def test_gives_the_same_shape_and_leaves_its_input_untouched(bench: Bench, name: str) -> None:
    before, expected = deepcopy(bench.model.state_dict()), bench.outputs(bench.model, name)
    result = bench.make(name)
    if isinstance(result, nn.Module):
        assert result is not bench.model
        assert not any(module.training for module in result.modules())
    found = bench.outputs(result, name)
    assert found.shape == expected.shape
    assert found.isfinite().all()
    assert not torch.equal(found, expected), "nothing was compressed"
    after = bench.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.equal(bench.outputs(bench.model, name), expected)


@on_every_task_with_every_method
def test_the_same_seed_gives_the_same_model(bench: Bench, name: str) -> None:
    first, second = bench.outputs(bench.make(name), name), bench.outputs(bench.make(name, copy=1), name)
    assert torch.equal(first, second)


@on_every_task
def test_files_serve_the_same_outputs_in_a_fresh_process(
    bench: Bench, methods: list[str], runtimes: list[str], subtests: Any
) -> None:
    expected, files = {}, []
    for name, runtime in served_by(methods, runtimes):
        key = f"{name}+{runtime}"
        with subtests.test(key):
            profile = profile_for(runtime)
            if reason := registry.method(runtime).unsupported(bench.task, profile):
                pytest.skip(f"{runtime}: {reason}")
            made = bench.model if name == "fp32" else bench.make(name)
            path = made if isinstance(made, Path) else bench.export(runtime, name, made)
            expected[key] = bench.outputs(made, name)
            files.append((key, runtime, str(path), profile.name))
    found = in_a_fresh_process(bench, files)
    for key in expected:
        with subtests.test(key):
            if isinstance(found[key], str):
                pytest.skip(f"{key} on {type(bench.task).__name__}: {found[key]}")
            error = ROUNDED if key.startswith("half_precision") else TOLERANCE
            atol = error * expected[key].abs().max().item()
            torch.testing.assert_close(found[key], expected[key], rtol=0, atol=atol)


def served_by(methods: list[str], runtimes: list[str]) -> Iterator[tuple[str, str]]:
    """List the plain model in every runtime, and each method's result in its runtime, or else in the two most used."""
    yield from (("fp32", runtime) for runtime in runtimes)
    for name in methods:
        needed = registry.method(name).runtime
        yield from ((name, runtime) for runtime in ([needed] if needed else ["eager", "onnxruntime"]))


def profile_for(runtime: str) -> HardwareProfile:
    """A profile with one device, or with two for the runtimes that need two."""
    return CPU if registry.load("methods", runtime).least_devices == 1 else registry.hardware("cpu_2x1")


def in_a_fresh_process(bench: Bench, files: list[tuple[str, str, str, str]]) -> dict[str, Tensor | str]:
    """The outputs of each file in a new process, or the reason why the file's runtime refuses the network."""
    given, taken = bench.folder / "inputs.pt", bench.folder / "outputs.pt"
    torch.save((tuple(bench.inputs), files), given)
    done = subprocess.run([sys.executable, "-c", FRESH, given, taken], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return torch.load(taken)


def test_there_is_something_to_test() -> None:
    assert METHODS and RUNTIMES
    assert {*THOROUGH, *public_data.TASKS} <= set(TASKS) and {*COMMON, *FEW} <= set(METHODS)
