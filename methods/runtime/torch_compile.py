"""PyTorch's compiler: exports the module to a graph and compiles it ahead of time to machine code, in one package.

Reference: https://docs.pytorch.org/docs/stable/torch.compiler_aot_inductor.html. The package takes any batch size.
Limits: CPU profiles only. The export needs a C++ compiler, and compiles for the machine it runs on: serve the package
there. PyTorch 2.14 miscompiles a quantised convolution of one input channel for a varying batch; it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task


@dataclass(frozen=True)
class TorchCompile(Runtime):
    """Serves an AOTInductor package with frozen weights."""

    reference: ClassVar[str] = "https://docs.pytorch.org/docs/stable/torch.compiler_aot_inductor.html"
    suffix: ClassVar[str] = ".pt2"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Compile the model and write the package: see `Runtime`.

        Raises:
            CellFailure: a C++ compiler is missing, the model does not compile, or the package gives other outputs.
        """
        import torch
        from torch._inductor.config import cpp

        from breakeven.components.exporting import program, refused, require_same_outputs, two_samples

        if not _compiler(cpp.cxx):
            raise CellFailure("unsupported", "no C++ compiler: install one, on Debian with 'apt-get install g++'")
        inputs = two_samples(example_inputs)
        try:
            with torch.no_grad():
                _compile(program(model, inputs), path)
        except (RuntimeError, AttributeError, torch._dynamo.exc.TorchDynamoException) as error:
            raise refused(error) from error
        require_same_outputs(model, _serve(path), inputs)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        import torch

        torch.set_num_threads(hardware.threads)
        return _serve(path)


def _quantised(program: ExportedProgram) -> bool:
    return any("quantized_decomposed" in str(node.target) for node in program.graph.nodes)


def _compiler(names: tuple[str | None, ...]) -> str | None:
    from shutil import which

    return next((name for name in names if name and which(name)), None)


def _compile(program: ExportedProgram, path: Path) -> None:
    import torch
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.utils import fresh_cache

    aten = torch.ops.aten
    convolves = any(node.target in (aten.conv1d.default, aten.conv2d.default) for node in program.graph.nodes)
    how = {
        "freezing": True,
        # Where the batch varies, oneDNN would pack the float weights of convolutions again in every call. The first
        # graph that a process compiles decides this for all its graphs, but an export has its own process.
        "cpp.weight_prepack": _quantised(program) or not convolves,
        "cpp.dynamic_threads": True,  # else the compiling process's number of threads is fixed
        "compile_threads": 1,
    }
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns of a missing GPU
    with fresh_cache():  # the compile time is a figure of the row
        aoti_compile_and_package(program, package_path=str(path), inductor_configs=how)


def _serve(path: Path) -> Callable[..., Tensor]:
    import torch

    module = torch._inductor.aoti_load_package(str(path))

    def call(*inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            return module(*inputs)

    return call
