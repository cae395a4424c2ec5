"""ONNX Runtime on the CPU: the module exported to an ONNX graph, served by its own kernels and graph fusions.

Reference: https://onnxruntime.ai/docs/performance/tune-performance/
The export is for any batch size, and its outputs are checked against the module's right away.
Limits: CPU profiles only. The shape of the inputs is fixed but for the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Runtime

if TYPE_CHECKING:
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
        import torch

        # A batch of one would be taken for a constant: export from two samples, check with both one and two.
        inputs = tuple(torch.cat([x, x])[:2] if len(x) < 2 else x[:2] for x in example_inputs)
        options: dict[str, Any] = {
            "input_names": [f"input_{i}" for i in range(len(inputs))],
            "output_names": ["output"],
            "dynamic_shapes": tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs),
            "opset_version": OPSET,
            "external_data": False,  # one file
        }
        try:
            torch.onnx.export(model, inputs, path, dynamo=True, verbose=False, **options)
        except torch.onnx.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise CellFailure("method_error", f"torch.onnx.export: {reason}") from error
        call = _serve(path, threads=1)
        for batch in (inputs, tuple(x[:1] for x in inputs)):
            _verify(model, call, batch)

    def load(self, path: Path, hardware: HardwareProfile) -> Callable[..., Tensor]:
        return _serve(path, hardware.threads)


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
    if found.shape != expected.shape:
        shapes = f"{tuple(found.shape)}, not {tuple(expected.shape)}"
        raise CellFailure("method_error", f"the ONNX graph gives outputs of shape {shapes}")
    difference = (found - expected).abs().max().item() / max(expected.abs().max().item(), 1e-6)
    if not difference <= TOLERANCE:
        reason = f"outputs of the ONNX graph differ from the module's by {difference:.1e} of the largest"
        raise CellFailure("method_error", reason)
