"""NNCF's post-training quantisation as in OpenVINO's guide, called directly with all of its defaults.

Reference: https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionContext, CompressionMethod
from breakeven.units import registry


@dataclass(frozen=True)
class DirectNncf(CompressionMethod):
    """Calls `nncf.quantize` on the model that OpenVINO converted."""

    reference: ClassVar[str] = "https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide.html"
    changes: ClassVar[Change] = "precision"

    samples: int = Field(256, ge=1, description="training samples to calibrate on")

    @property
    def runtime(self) -> str:
        return "openvino"

    @property
    def on_file(self) -> bool:
        return True

    @property
    def precision(self) -> str:
        return "int8"

    def compress_file(self, source: Path, target: Path, context: CompressionContext) -> None:
        import nncf

        files = registry.method(self.runtime)
        samples = [
            tuple(x[i : i + 1].numpy() for x in inputs)
            for inputs, labels in context.training_samples(self.samples)
            for i in range(len(labels))
        ]
        quantised = nncf.quantize(files.read(source), nncf.Dataset(samples), subset_size=self.samples)
        files.write(quantised, target)
