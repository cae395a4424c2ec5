"""Made-up rows for the tests of the dashboard and the terminal. Their shapes are plausible, but nothing is measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

from breakeven.errors import Status
from breakeven.rows import InferenceRow, TrainingRow, write_parquet

COMMON = {
    "task_version": 1,
    "dataset_sha256": "fixture",
    "seed": 0,
    "accelerator": "cpu",
    "cpu_model": "Fixture CPU",
    "hardware_fingerprint": "fixture",
    "metric_unit": "ratio",
    "usd_per_hour": 0.0425,
    "price_source": "a made-up price",
    "price_date": "2026-01-01",
    "energy_method": "tdp_estimate",
    "watts": 4.0,
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": False,
    "config_sha256": "c0ffee",
    "executor": "local",
    "started_at": "2026-01-01T00:00:00.000+00:00",
    "finished_at": "2026-01-01T00:00:20.000+00:00",
    "python": "3.11",
    "torch": "2.14",
}
# chain, method, runtime, quality kept, speed-up, size ratio, compress seconds
CHAINS = [
    ("fp32", "fp32", "eager", 1.0, 1.0, 1.0, 0.0),
    ("onnxruntime", "fp32", "onnxruntime", 1.0, 2.6, 1.0, 0.0),
    ("magnitude_pruning-sparsity=0.8", "magnitude_pruning-sparsity=0.8", "eager", 0.996, 1.005, 1.0, 31.0),
    ("channel_pruning-ratio=0.5", "channel_pruning-ratio=0.5", "eager", 0.993, 2.6, 3.9, 48.0),
    ("low_rank", "low_rank", "eager", 0.982, 1.9, 3.2, 6.0),
    ("int8_dynamic", "int8_dynamic", "eager", 0.9995, 0.97, 1.1, 0.9),
    ("int8_static", "int8_static", "onnxruntime", 0.9975, 7.4, 3.8, 4.0),
    (
        "channel_pruning-ratio=0.5+int8_static",
        "channel_pruning-ratio=0.5+int8_static",
        "onnxruntime",
        0.981,
        11,
        12,
        52,
    ),
]
# task, metric, higher is better, quality, latency in ms, bytes; the second task's inputs vary in length
TASKS = [
    ("fashion_mnist", "top1_accuracy", True, 0.912, 6.2, 11_200_000),
    ("spoken_words", "word_error_rate", False, 0.105, 2.1, 900_000),
]

LENGTHS = {"length_unit": "frames", "length_p10": 21.0, "length_p50": 32.5, "length_p90": 48.0, "length_max": 61.0}


def inference_rows() -> list[InferenceRow]:
    rows = [
        _inference(task, chain, scenario)
        for task in TASKS
        for chain in CHAINS
        for scenario in ("single_stream", "offline")
    ]
    rows[2].unstable = True
    magnitude = [row for row in rows if row.task == "spoken_words" and row.chain == "low_rank"]
    for row in magnitude:
        row.contended = True
        row.foreign_load_percent = 31.0
    return rows + [_failed(task, scenario) for task in TASKS for scenario in ("single_stream", "offline")]


def _inference(task: tuple, chain: tuple, scenario: str) -> InferenceRow:
    name, metric, higher, quality, latency, size = task
    text, method, runtime, kept, speedup, smaller, compress = chain
    value = quality * kept if higher else quality / kept
    alone = scenario == "single_stream"
    latency = latency / speedup
    exact = text == "fp32"
    joules = 4.0 * (latency if alone else latency / 2) / 1000
    sparse = 0.2 if "magnitude" in text else 1.0
    return InferenceRow(
        **COMMON,
        cell_id=f"{name}/{text}",
        reference_cell_id=f"{name}/fp32",
        task=name,
        trained_as="single_device@cpu_1",
        hardware="cpu_1",
        threads=1,
        metric=metric,
        higher_is_better=higher,
        quality=value,
        quality_ci_low=value - 0.006,
        quality_ci_high=value + 0.006,
        n_eval=10_000,
        other_metrics=None if higher else json.dumps({"character_error_rate": value * 0.6}),
        reference_quality=quality,
        quality_kept_ci_low=kept - 0.004 * (not exact),
        quality_kept_ci_high=kept + 0.004 * (not exact),
        **({} if higher else LENGTHS),
        artifact_sha256="a" * 64,
        outputs_sha256="b" * 64,
        parameters=int(2_800_000 / smaller),
        nonzero_parameters=int(2_800_000 / smaller * sparse),
        flops=int(7_400_000 / smaller),
        nonzero_flops=int(7_400_000 / smaller * sparse),
        peak_memory_bytes=int(700e6 + 60e6 / smaller),
        memory_above_baseline_bytes=int(20e6 + 60e6 / smaller),
        disk_bytes=int(size / smaller),
        packed_bytes=int(size / smaller * (0.3 if sparse < 1 else 0.9)),
        method=method,
        method_params=steps(text),
        chain=text,
        runtime=runtime,
        runtime_version="1.0",
        precision="int8" if "int8" in text else "float32",
        scenario=scenario,
        batch_size=1 if alone else 32,
        mode="quick",
        train_time_s=82.0,
        compress_time_s=compress,
        export_time_s=5.0 if runtime == "onnxruntime" else 0.0,
        making_foreign_load_percent=0.0,
        load_time_s=0.004,
        warmup_calls=300,
        timed_calls=900,
        timed_s=4.5,
        processes=3,
        latency_mean_ms=latency * 1.02 if alone else latency * 16,
        latency_p50_ms=latency if alone else latency * 16,
        latency_p90_ms=latency * 1.1 if alone else latency * 17,
        latency_cv=0.04,
        reference_latency_p50_ms=latency * speedup * (1 if alone else 16),
        reference_latency_p90_ms=latency * speedup * (1.1 if alone else 17),
        speedup=speedup,
        speedup_ci_low=speedup * 0.98,
        speedup_ci_high=speedup * 1.02,
        speedup_cv=0.012,
        throughput_samples_per_s=1000 / latency if alone else 2000 / latency,
        energy_j_per_sample=joules,
        reference_energy_j_per_sample=joules * speedup,
        energy_gain=speedup,
        energy_gain_ci_low=speedup * 0.97,
        energy_gain_ci_high=speedup * 1.03,
        foreign_load_percent=0.8,
        contended=False,
        unstable=False,
    )


def steps(chain: str) -> str:
    """Return a chain's steps with the parameters spelled in its text, as JSON."""
    parts = [] if chain == "fp32" else chain.split("+")
    given = [[pair.split("=") for pair in part.split("-")[1:]] for part in parts]
    return json.dumps([[part, {k: float(v) for k, v in own}] for part, own in zip(parts, given, strict=True)])


# chain with {} for the value, runtime, exponent from saved arithmetic to speed-up, quality lost at half
CURVES = [
    ("magnitude_pruning-sparsity={}", "eager", 0.02, 0.002),
    ("magnitude_pruning-sparsity={}+onnxruntime", "onnxruntime", 0.03, 0.002),
    ("channel_pruning-ratio={}", "eager", 0.7, 0.006),
]
SPARSITIES = [0.5, 0.75, 0.875, 0.9375, 0.96875]


def curve_rows() -> list[InferenceRow]:
    """Return the rows of `inference_rows` and of curves with increasing compression: 14 more rows per board."""
    added = []
    for task in TASKS:
        for scenario in ("single_stream", "offline"):
            for pattern, runtime, won, lost in CURVES:
                for sparsity in SPARSITIES[1:] if "channel" in pattern else SPARSITIES:  # CHAINS has its half
                    text, over = pattern.format(sparsity), 1 / (1 - sparsity)
                    gain = over**won * (2.6 if runtime == "onnxruntime" else 1.0)
                    kept = 1 - lost * (over / 2) ** 1.4
                    row = _inference(
                        task, (text, text.removesuffix("+onnxruntime"), runtime, kept, gain, 1, 30), scenario
                    )
                    row.nonzero_parameters, row.nonzero_flops = int(2_800_000 / over), int(7_400_000 / over**0.9)
                    if "channel" in text:
                        row.parameters, row.flops = row.nonzero_parameters, row.nonzero_flops
                        row.disk_bytes = int(row.disk_bytes / over)
                    row.packed_bytes = int(row.packed_bytes / 0.3 * 0.9 / over**0.9)
                    added.append(row)
    return inference_rows() + added


def _failed(task: tuple, scenario: str) -> InferenceRow:
    name, metric, higher, *_ = task
    return InferenceRow(
        **COMMON,
        cell_id=f"{name}/broken",
        task=name,
        trained_as="single_device@cpu_1",
        hardware="cpu_1",
        threads=1,
        status=Status.UNSUPPORTED,
        reason="int8_dynamic: [the model] has no linear layer: use int8_static",
        metric=metric,
        higher_is_better=higher,
        method="low_rank+int8_dynamic",
        method_params=steps("low_rank+int8_dynamic"),
        chain="low_rank+int8_dynamic",
        runtime="eager",
        scenario=scenario,
        batch_size=1 if scenario == "single_stream" else 32,
        mode="quick",
    )


# task, parameters, seconds of the single-device run, its quality
TRAINED = [
    ("fashion_mnist", 2_800_000, 82.0, 0.912),
    ("mandarin_initials", 150_000, 30.0, 0.78),
    ("movie_sentiment", 11_000_000, 240.0, 0.84),
]
# profile, processes, Mbit/s of its link
PROFILES = [
    ("cpu_2x1", 2, None),
    ("cpu_2x1_1000mbit", 2, 1000.0),
    ("cpu_2x1_200mbit", 2, 200.0),
    ("cpu_4x1", 4, None),
]
# training, bytes sent per step by two processes relative to the model's, memory relative to one device, quality kept
DISTRIBUTED = [
    ("ddp", 2.0, 1.2, 0.999),
    ("ddp-sent=float16", 1.0, 1.2, 0.998),
    ("ddp-sent=powersgd", 0.25, 1.3, 0.994),
    ("zero1", 3.0, 0.95, 0.999),
    ("fsdp", 4.0, 0.7, 0.999),
    ("local_sgd", 0.26, 1.2, 0.993),
    ("diloco", 0.06, 1.4, 0.97),
    ("tensor_parallel", 6.0, 0.65, 1.0),
    ("pipeline_parallel", 0.8, 0.6, 1.0),
]
STEPS = 1400


def training_rows() -> list[TrainingRow]:
    """Make rows of one device, of two, and of a profile that this machine lacks."""
    held = {"parameters": 2_800_000, "rank_memory_above_baseline_bytes": 96_000_000}
    single = _training("single_device", "cpu_1", 1, 82.0, 0.912, 0.0425, **held)
    ddp = _training("ddp", "cpu_2x1", 2, 45.0, 0.910, 0.085, time_to_target_s=math.inf, **held)
    cuda = _training("single_device", "cuda_1", 1, None, None, None)
    cuda.status, cuda.reason = Status.NO_HARDWARE, "needs 1 CUDA device(s), torch sees 0: check nvidia-smi"
    return [single, ddp, cuda]


def scaling_rows() -> list[TrainingRow]:
    """Return the rows of `training_rows`, and every training method on multi-device profiles for three model sizes.
    One row failed, one is contended, and one method is below the quality gate."""
    own = {row.cell_id for row in training_rows()}
    rows = [row for task in TRAINED for row in _trained(task) if row.cell_id not in own]
    by_cell = {row.cell_id: row for row in rows}
    by_cell["mandarin_initials/pipeline_parallel@cpu_2x1"].contended = True
    failed = by_cell["mandarin_initials/tensor_parallel@cpu_2x1"]
    failed.status, failed.reason = Status.UNSUPPORTED, "tensor_parallel: [the network] has no block that it can split"
    for field in ("quality", "world_size", "train_time_s", "time_to_target_s", "communicated_bytes", "parameters"):
        setattr(failed, field, None)
    return training_rows() + rows


def _trained(task: tuple) -> list[TrainingRow]:
    """Make rows of one device, and of every training method on every profile. A step computes, then sends."""
    name, parameters, alone, quality = task
    size = 4 * parameters
    memory = 40_000_000 + 5 * size
    common = {"task": name, "parameters": parameters}
    single = {"rank_memory_above_baseline_bytes": memory, **common}
    rows = [_training("single_device", "cpu_1", 1, alone, quality, 0.0425, **single)]
    for method, times, held, kept in DISTRIBUTED:
        for hardware, world, rate in PROFILES:
            sent = int(times * size * (world - 1)) * STEPS
            seconds = alone / world * 1.06 + 8 * sent / (1e6 * (rate or 20_000.0))
            figures = {"communicated_bytes": sent, "network_mbit": rate}
            figures["rank_memory_above_baseline_bytes"] = int(memory * held)
            rows.append(_training(method, hardware, world, seconds, quality * kept, 0.0425 * world, **common | figures))
    return rows


def _training(
    method: str,
    hardware: str,
    world: int,
    seconds: float | None,
    quality: float | None,
    price: float | None,
    task: str = "fashion_mnist",
    **changes: object,
) -> TrainingRow:
    values = {
        **COMMON,
        "usd_per_hour": price,
        "accelerator": "cuda" if hardware == "cuda_1" else "cpu",
        "cell_id": f"training/{method}@{hardware}" if task == "fashion_mnist" else f"{task}/{method}@{hardware}",
        "task": task,
        "trained_as": f"{method}@{hardware}",
        "hardware": hardware,
        "threads": 1,
        "metric": "top1_accuracy",
        "higher_is_better": True,
        "quality": quality,
        "quality_ci_low": quality and quality - 0.006,
        "quality_ci_high": quality and quality + 0.006,
        "n_eval": 10_000,
        "train_energy_j": seconds and 4.0 * seconds,
        "training_method": method,
        "method_params": "{}",
        "timed_alone": True,
        "epochs": 3,
        "global_batch_size": 128,
        "steps": STEPS,
        "world_size": world,
        "train_time_s": seconds,
        "time_to_target_s": math.inf if method == "diloco" else seconds and seconds / 2,
        "quality_target": 0.88,
        "samples_per_s": seconds and 180_000 / seconds,
    }
    return TrainingRow(**{**values, **changes})


def write_results(
    folder: Path, rows: list[InferenceRow] | None = None, trainings: list[TrainingRow] | None = None
) -> Path:
    write_parquet(rows or inference_rows(), InferenceRow, folder / "inference.parquet")
    write_parquet(trainings or training_rows(), TrainingRow, folder / "training.parquet")
    return folder


if __name__ == "__main__":
    import sys

    write_results(Path(sys.argv[1]), curve_rows(), scaling_rows())
