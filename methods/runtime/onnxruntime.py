"""ONNX Runtime on the CPU: exports the module to an ONNX graph, and serves it by ONNX Runtime's kernels and fusions.

Reference: https://onnxruntime.ai/docs/performance/tune-performance/. The graph takes any batch size.
Limits: CPU profiles only. Apart from batch and length, the shape of the inputs is fixed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

OPSETS = (23, 20)  # 23 has attention as one operator, a tenth faster at batch 1, but fails with some masks


@dataclass(frozen=True)
class OnnxRuntime(Runtime):
    """Serves an ONNX file with ONNX Runtime's CPU provider."""

    reference: ClassVar[str] = "https://onnxruntime.ai/docs/performance/tune-performance/"
    suffix: ClassVar[str] = ".onnx"
    package: ClassVar[str] = "onnxruntime"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write the graph: see `Runtime`.

        Raises:
            CellFailure: the exporter refuses the model, or the graph gives other outputs.
        """
        from breakeven.components.exporting import two_samples

        inputs = two_samples(example_inputs)
        logging.getLogger("onnxscript").setLevel(logging.ERROR)  # it warns of constants that it cannot fold
        failure: str | None = None
        for opset in OPSETS:
            if (failure := _export(model, inputs, path, opset)) is None:
                return
        raise CellFailure("method_error", str(failure))

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(path, hardware.threads)


def _export(model: nn.Module, inputs: tuple[Tensor, ...], path: Path, opset: int) -> str | None:
    """Write the graph and check it; return the reason where that failed, else None."""
    import onnx
    import torch
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, NotImplemented

    from breakeven.components.exporting import same_outputs, varying

    shapes = varying(inputs)
    try:
        written = torch.onnx.export(
            model, tuple(inputs), dynamo=True, verbose=False, dynamic_shapes=shapes, opset_version=opset
        )
        graph = cast(torch.onnx.ONNXProgram, written).model_proto
        for part in (graph.graph, *graph.graph.node, *graph.graph.value_info):
            part.ClearField("metadata_props")  # source lines and paths take a tenth of a small file
        onnx.save(graph, path)
        same = same_outputs(model, _serve(path, 1), inputs)
    except (torch.onnx.OnnxExporterError, Fail, InvalidArgument, InvalidGraph, NotImplemented) as error:
        return f"{str(error).strip().splitlines()[0]}: use eager"
    return None if same else "outputs of the exported graph are not those of the module: use eager"


def _serve(path: Path, threads: int) -> Callable[..., Tensor]:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Otherwise idle workers keep spinning after a call, on a core that the next computation needs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # On a CPU, the fused Add + LayerNormalization is eight times slower than the two operators.
    how = {"providers": ["CPUExecutionProvider"], "disabled_optimizers": ["SkipLayerNormFusion"]}
    session = onnxruntime.InferenceSession(path, options, **how)
    names = [node.name for node in session.get_inputs()]

    def call(*inputs: Tensor) -> Tensor:
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return call
