"""OpenVINO on the CPU: converts the module to Intel's graph format, and serves it by OpenVINO's kernels and fusions.

Reference: https://docs.openvino.ai/2026/openvino-workflow/running-inference.html. The graph takes any batch size.
Limits: CPU profiles only; an optional package. Float layers compute in float32, not in
the bfloat16 that OpenVINO would choose.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar
from zipfile import ZipFile

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from openvino import Model
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

GRAPH, WEIGHTS = "model.xml", "model.bin"  # OpenVINO's two files, kept in one archive
MISSING = "the package openvino is not installed: run 'pip install openvino'"


@dataclass(frozen=True)
class OpenVino(Runtime):
    """Serves an archive of OpenVINO's two files. Tools that work on the graph use `read` and `write`."""

    reference: ClassVar[str] = "https://docs.openvino.ai/2026/openvino-workflow/running-inference.html"
    suffix: ClassVar[str] = ".openvino"
    package: ClassVar[str] = "openvino"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None if find_spec("openvino") else MISSING

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write the archive: see `Runtime`.

        Raises:
            CellFailure: the package is missing, the converter refuses the model, or the file gives other outputs.
        """
        from torch._dynamo.exc import TorchDynamoException

        from breakeven.components.exporting import open_shape, program, refused, require_same_outputs, two_samples

        openvino, inputs = _openvino(), two_samples(example_inputs)
        from openvino.frontend import GeneralFailure, OpConversionFailure

        try:
            # OpenVINO's own tracing would keep one branch where the module decides by the values of its inputs.
            graph = openvino.convert_model(program(model, inputs))
            graph.reshape(dict(enumerate(open_shape(inputs))))
            self.write(graph, path)
        except (RuntimeError, AttributeError, TorchDynamoException, OpConversionFailure, GeneralFailure) as error:
            operators = re.findall(r"^-- No conversion rule found for operations: (.+)$", str(error), re.MULTILINE)
            said = RuntimeError(f"OpenVINO has no {', '.join(operators)}") if operators else error
            raise refused(said) from error
        require_same_outputs(model, _serve(self.read(path), 1), inputs)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(self.read(path), hardware.threads)

    def read(self, path: Path) -> Model:
        """Return the `openvino.Model` in a file."""
        with ZipFile(path) as archive:
            return _openvino().Core().read_model(archive.read(GRAPH), archive.read(WEIGHTS))

    def write(self, graph: Model, path: Path) -> None:
        """Write an `openvino.Model` to a file, uncompressed."""
        with TemporaryDirectory() as folder, ZipFile(path, "w") as archive:
            _openvino().save_model(graph, Path(folder) / GRAPH, compress_to_fp16=False)
            for name in (GRAPH, WEIGHTS):
                archive.write(Path(folder) / name, name)


def _openvino() -> ModuleType:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else OpenVINO reports its use to Intel
    try:
        import openvino
    except ImportError as error:
        raise CellFailure("unsupported", MISSING) from error
    return openvino


def _serve(graph: Model, threads: int) -> Callable[..., Tensor]:
    import torch

    how = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # no other runtime pins its threads to cores
    }
    request = _openvino().compile_model(graph, "CPU", how).create_infer_request()

    def call(*inputs: Tensor) -> Tensor:
        request.infer({i: x.numpy() for i, x in enumerate(inputs)}, share_inputs=True)
        return torch.from_numpy(
            request.get_output_tensor().data.copy()
        )  # a copy: the next call writes to the same memory

    return call
