"""Runs one step of a chain: compresses a module, exports it to a runtime, or compresses the exported file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from breakeven.components.arithmetic import count_flops
from breakeven.components.lengths import examples
from breakeven.hardware import HardwareProfile
from breakeven.machine.provenance import ForeignLoad
from breakeven.method import CompressionContext, CompressionMethod, Method, Runtime
from breakeven.stages import artifact as artifacts
from breakeven.stages.artifact import Artifact
from breakeven.task import Task
from breakeven.units import registry

EXPORT_BATCH = 2  # neither 0 nor 1, which exporters take for constants


def run_step(step: str, hardware: HardwareProfile, source: Path, target: Path, context: CompressionContext) -> float:
    """Apply one step to the artifact in `source`, leave the result in the folder `target`; the seconds it took.

    Raises:
        CellFailure: the step cannot serve this task, or an earlier step failed. Whether it serves the hardware, the
            jobs that serve it say.
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


def save_module(model: nn.Module, path: Path) -> None:
    """Save a whole module: a pruned one no longer has the shape its class would build."""
    torch.save(model.eval(), path)


def load_module(path: Path) -> nn.Module:
    """A module that this pipeline saved; the caller has verified the file's sha256."""
    return torch.load(path, weights_only=False, map_location="cpu").eval()


def describe_module(artifact: Artifact, model: nn.Module, task: Task) -> None:
    """Record the size and the arithmetic of a module; what later exports it keeps them."""
    artifact.parameters, artifact.nonzero_parameters = count_parameters(model)
    artifact.flops, artifact.nonzero_flops = count_flops(model, task.example_inputs(1))


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Weights and biases, all and those that are not zero; those packed inside quantised layers too."""
    plain = (p.dequantize() if is_traceable_wrapper_subclass(p) else p for p in model.parameters())
    tensors = [*plain, *_packed(model)]
    return sum(t.numel() for t in tensors), sum(int(torch.count_nonzero(t)) for t in tensors)


def _packed(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        packed = getattr(module, "_packed_params", None)
        if isinstance(module, (quantized.Conv1d, quantized.Conv2d)):
            weight, bias = module.weight(), module.bias()
        elif hasattr(packed, "_weight_bias"):
            weight, bias = packed._weight_bias()  # type: ignore[union-attr]
        else:
            continue
        yield weight.int_repr() if weight.is_quantized else weight
        if bias is not None:
            yield bias
