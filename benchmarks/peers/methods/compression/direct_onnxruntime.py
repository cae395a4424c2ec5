"""ONNX Runtime's static quantisation as in its guide, called directly with all of its defaults.

Reference: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod


@dataclass(frozen=True)
class DirectOnnxRuntime(CompressionMethod):
    """Calls `quant_pre_process`, then `quantize_static`."""

    reference: ClassVar[str] = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"
    changes: ClassVar[Change] = "precision"

    samples: int = Field(256, ge=1, description="training samples to calibrate on")

    @property
    def runtime(self) -> str:
        return "onnxruntime"

    @property
    def on_file(self) -> bool:
        return True

    @property
    def precision(self) -> str:
        return "int8"

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        names = [node.name for node in onnx.load(source).graph.input]

        class Reader(CalibrationDataReader):
            feeds: Iterator[dict] = (
                {name: x[i : i + 1].numpy() for name, x in zip(names, inputs, strict=True)}
                for inputs, target in context.training_samples(self.samples)
                for i in range(len(target))
            )

            def get_next(self) -> dict | None:
                return next(self.feeds, None)

        with TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            # Symbolic shape inference fails on files of torch's exporter; the guide says to leave it out then.
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantize_static(prepared, target, Reader())
