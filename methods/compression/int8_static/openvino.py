"""Quantises OpenVINO's file, by NNCF."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import torch
from torch import Tensor

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else both libraries report their use to Intel
import nncf  # noqa: E402
import openvino  # noqa: E402
from nncf import OverflowFix  # noqa: E402
from nncf.quantization.advanced_parameters import QuantizationParameters  # noqa: E402
from nncf.quantization.range_estimator import RangeEstimatorParametersSet  # noqa: E402

if TYPE_CHECKING:
    from . import Int8Static

GRAPH, WEIGHTS = "model.xml", "model.bin"  # OpenVINO's two files, in one archive
RANGES = {  # NNCF has no entropy calibration; its histogram search for the range of least error takes the place
    "minmax": RangeEstimatorParametersSet.MINMAX,
    "entropy": RangeEstimatorParametersSet.HISTOGRAM,
    "percentile": RangeEstimatorParametersSet.MEAN_QUANTILE,
}


def quantise(source: Path, target: Path, context: CompressionContext, how: Int8Static) -> None:
    """Write `source` in 8 bits to `target`.

    Raises:
        CellFailure: `unsupported`, where there is nothing to quantise.
    """
    nncf.set_log_level(logging.ERROR)
    graph = _read(source)
    batches = (inputs for inputs, _ in context.training_samples(how.samples))
    samples = [[x.numpy() for x in parts] for b in batches for parts in zip(*(x.split(1) for x in b), strict=True)]
    options: dict[str, Any] = {
        "subset_size": len(samples),
        "target_device": nncf.TargetDevice.CPU,
        "model_type": nncf.ModelType.TRANSFORMER
        if any(op.get_type_name() == "MVN" for op in graph.get_ops())
        else None,
    }
    advanced = nncf.AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE if how.reduce_range else OverflowFix.DISABLE,
        activations_range_estimator_params=RANGES[how.calibration],
        weights_quantization_params=QuantizationParameters(per_channel=how.per_channel),
    )
    data = nncf.Dataset(samples)
    if how.keep_float == "auto":
        result = _restored(graph, data, context, how.tolerance, options, advanced)
    else:
        result = nncf.quantize(graph, data, **options, advanced_parameters=advanced)
    if not any(op.get_type_name() == "FakeQuantize" for op in result.get_ops()):
        raise CellFailure("unsupported", "the graph has no operator to quantise: leave the method out")
    _write(result, target)


def _restored(
    graph: openvino.Model,
    data: nncf.Dataset,
    context: CompressionContext,
    tolerance: float,
    options: dict[str, Any],
    advanced: nncf.AdvancedQuantizationParameters,
) -> openvino.Model:
    """Quantise, then turn the layers that NNCF finds costliest back to float32 until the tolerance is kept."""
    sign = 1 if context.task.quality.higher_is_better else -1  # NNCF takes a greater score for the better one

    def score(compiled: openvino.CompiledModel, _: object) -> tuple[float, None]:
        return sign * context.validate(_callable(compiled)), None

    reference = score(openvino.compile_model(graph, "CPU", _options()), None)[0]
    return nncf.quantize_with_accuracy_control(
        graph,
        data,
        nncf.Dataset([None]),  # `score` has its own data: NNCF would score each sample given here by itself
        score,
        max_drop=tolerance * abs(reference),
        drop_type=nncf.DropType.ABSOLUTE,
        **options,
        advanced_quantization_parameters=advanced,
    )


def _options() -> dict[str, Any]:
    return {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}


def _callable(compiled: openvino.CompiledModel) -> Callable[..., Tensor]:
    def call(*inputs: Tensor) -> Tensor:
        return torch.from_numpy(compiled([x.numpy() for x in inputs])[0].copy())

    return call


def _read(path: Path) -> openvino.Model:
    with ZipFile(path) as archive:
        return openvino.Core().read_model(archive.read(GRAPH), archive.read(WEIGHTS))


def _write(graph: openvino.Model, path: Path) -> None:
    with TemporaryDirectory() as folder, ZipFile(path, "w") as archive:
        openvino.save_model(graph, Path(folder) / GRAPH, compress_to_fp16=False)
        for name in (GRAPH, WEIGHTS):
            archive.write(Path(folder) / name, name)
