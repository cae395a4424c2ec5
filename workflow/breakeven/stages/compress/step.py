"""Runs one step of a chain: compresses a module, exports it to a runtime, or compresses the exported file."""

from __future__ import annotations

import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from breakeven.components.lengths import examples
from breakeven.hardware import HardwareProfile
from breakeven.machine.load import ForeignLoad
from breakeven.method import CompressionContext, CompressionMethod, Method, Runtime
from breakeven.stages import artifact as artifacts
from breakeven.stages.artifact import Artifact
from breakeven.stages.modules import describe_module, load_module, save_module
from breakeven.units import registry

EXPORT_BATCH = 2  # neither 0 nor 1, which exporters treat as constants


def run_step(step: str, hardware: HardwareProfile, source: Path, target: Path, context: CompressionContext) -> float:
    """Apply one step to the artifact in `source`, write the result into `target`, and return the seconds of the step.

    Raises:
        CellFailure: the step does not support this task, or an earlier step failed. `evaluate` and `measure` check
            hardware support.
    """
    before = artifacts.read(source)
    method = registry.method(step)
    suffix = method.suffix if isinstance(method, Runtime) else Path(before.file or "").suffix
    path = target / f"model{suffix}"
    pl.seed_everything(context.seed, verbose=False)
    torch.set_num_threads(hardware.threads)
    given = artifacts.model_file(source, before)
    with ForeignLoad() as load:
        result = _apply(method, given, path, before, context)
    result.making_foreign_load_percent = max(before.making_foreign_load_percent, load.percent)
    artifacts.describe_file(result, path)
    artifacts.write(result, target)
    return result.compress_time_s + result.export_time_s - before.compress_time_s - before.export_time_s


def _apply(method: Method, given: Path, path: Path, before: Artifact, context: CompressionContext) -> Artifact:
    after = Artifact(**{**vars(before), "file": None})
    if isinstance(method, CompressionMethod) and method.on_file:
        began = time.perf_counter()
        method.compress_file(given, path, context)
        after.compress_time_s += time.perf_counter() - began
        return after
    model = load_module(given)
    began = time.perf_counter()
    if isinstance(method, Runtime):
        method.export(model, examples(context.task, EXPORT_BATCH), path)
        after.export_time_s += time.perf_counter() - began
        return after
    model = method.compress(model, context).eval()  # type: ignore[attr-defined]
    after.compress_time_s += time.perf_counter() - began
    save_module(model, path)
    describe_module(after, model, context.task)
    return after
