"""ONNX Runtime on the CPU: the module exported to an ONNX graph, served by its own kernels and graph fusions.

Reference: https://onnxruntime.ai/docs/performance/tune-performance/
The export is for any batch size, and its outputs are checked against the module's right away.
Limits: CPU profiles only. The shape of the inputs is fixed but for the batch.
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
    import onnx
    from torch import Tensor, nn

    from breakeven.hardware import HardwareProfile
    from breakeven.task import Task

OPSET = 23  # holds attention as one operator; older sets spell it out, slower by a tenth at batch 1
TOLERANCE = 1e-3  # of the largest output; float32 sums in another order differ by some 1e-6


@dataclass(frozen=True)
class OnnxRuntime(Runtime):
    """Serves an ONNX file with ONNX Runtime's CPU provider."""

    reference: ClassVar[str] = "https://onnxruntime.ai/docs/performance/tune-performance/"
    suffix: ClassVar[str] = ".onnx"

    def unsupported(self, task: Task, hardware: HardwareProfile) -> str | None:
        if hardware.accelerator != "cpu":
            return "serves on CPUs only: list it under a CPU profile"
        return None

    def export(self, model: nn.Module, example_inputs: tuple[Tensor, ...], path: Path) -> None:
        """Raises CellFailure if the exporter refuses the model, or the graph's outputs are not the module's."""
        import onnx
        import torch

        # A batch of one would be taken for a constant: export from two samples, check with both two and one.
        inputs = tuple(torch.cat([x, x])[:2] for x in example_inputs)
        how = {"dynamic_shapes": tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs), "opset_version": OPSET}
        logging.getLogger("onnxscript").setLevel(logging.ERROR)  # it warns of constants it cannot fold
        try:
            program = torch.onnx.export(model, inputs, dynamo=True, verbose=False, **how)
        except torch.onnx.OnnxExporterError as error:
            raise CellFailure("method_error", str(error).strip().splitlines()[0]) from error
        onnx.save(_strip(program.model_proto), path)
        for batch in (inputs, tuple(x[:1] for x in inputs)):
            _verify(model, _serve(path, threads=1), batch)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(path, hardware.threads)


def _strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the exporter notes of each node's origin: source lines and paths, a tenth of a small file."""
    for part in (model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    return model


def _serve(path: Path, threads: int) -> Callable[..., Tensor]:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle workers otherwise spin on after a call, on a core that whoever computes next is to have.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # The fused Add + LayerNormalization is eight times slower than the two on a CPU.
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )
    names = [node.name for node in session.get_inputs()]

    def call(*inputs: Tensor) -> Tensor:
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return call


def _verify(model: nn.Module, call: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    import torch

    with torch.inference_mode():
        expected, found = model(*inputs), call(*inputs)
    scale = max(expected.abs().max().item(), 1e-6)
    if found.shape != expected.shape or not (found - expected).abs().max().item() <= TOLERANCE * scale:
        raise CellFailure("method_error", "outputs of the exported ONNX graph are not those of the module")
