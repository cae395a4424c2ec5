"""All fields of a row in groups, with derived figures; a null field is a gap with its reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pandas as pd
import streamlit as st
from views import table
from views.table import Cell, Column

from breakeven import protocol, statistics
from breakeven.rows import InferenceRow, Provenance, TrainingRow
from breakeven.scoring.wording import GAP, inferences, span

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
GROUPS = {
    "Quality": (
        "metric metric_unit higher_is_better quality reference_quality quality_ratio n_eval other_metrics"
        " quality_target epochs steps global_batch_size"
    ),
    "Time": (
        "speedup theoretical_speedup runtime_speedup compression_speedup speedup_cv"
        " latency_mean_ms latency_p50_ms latency_p90_ms latency_p99_ms"
        " reference_latency_p50_ms reference_latency_p90_ms reference_latency_p99_ms latency_cv"
        " throughput_samples_per_s mode processes warmup_calls timed_calls timed_s load_time_s foreign_load_percent"
        " contended unstable train_time_s time_to_target_s samples_per_s scaling_efficiency world_size network_mbit"
        " communicated_bytes timed_alone resumed_parts"
    ),
    "Memory, arithmetic and size": (
        "peak_memory_bytes memory_above_baseline_bytes memory_ratio cuda_allocated_bytes cuda_reserved_bytes"
        " rank_memory_above_baseline_bytes parameters"
        " nonzero_parameters compression_ratio flops nonzero_flops disk_bytes size_ratio packed_bytes packed_ratio"
    ),
    "Inputs": "dataset_sha256 split scenario batch_size length_unit length_p10 length_p50 length_p90 length_max",
    "Energy": ("energy_method watts energy_j_per_sample reference_energy_j_per_sample energy_gain train_energy_j"),
    "Cost": (
        "usd_per_hour price_source price_date compress_time_s export_time_s making_foreign_load_percent making_s"
        " usd_per_million break_even train_usd"
    ),
}
DERIVED = {"quality_ratio", "theoretical_speedup", "memory_ratio", "size_ratio", "making_s", "usd_per_million"}
DERIVED |= {"packed_ratio", "compression_ratio", "runtime_speedup", "compression_speedup"}
DERIVED |= {"break_even", "train_usd", "scaling_efficiency"}  # computed from rows, never stored
INTERVALS = {"quality_ratio": "quality_kept_ci", "break_even": "break_even"}  # where it is not named NAME_ci
ENDS = [name for name in (field.name for field in fields(InferenceRow)) if name.endswith(("_ci_low", "_ci_high"))]


def show(row: pd.Series, page: str) -> None:
    """Show the groups in two columns."""
    found = groups(row)
    left, right = st.columns(2)
    for number, (title, names) in enumerate(found.items()):
        with left if number % 2 == 0 else right:
            st.markdown(f"**{title}**")
            lines = pd.DataFrame([line(name, row) for name in names], columns=["name", "value", "below"])
            table.show(COLUMNS, lines, f"{page}_{title}")


def groups(row: pd.Series) -> dict[str, list[str]]:
    """Return the fields of a row by group. A recorded field is in one group; the ends of an interval are in none."""
    kind = InferenceRow if "chain" in row else TrainingRow
    recorded = [field.name for field in fields(kind)]
    provenance = [field.name for field in fields(Provenance)]
    derived = {name for name in DERIVED if name in row}
    found = {title: [n for n in names.split() if n in recorded or n in derived] for title, names in GROUPS.items()}
    if kind is TrainingRow and "speedup" not in found["Time"]:
        found["Time"].insert(0, "speedup")
    taken = {*provenance, *ENDS, *(name for names in found.values() for name in names)}
    return found | {"Identity": [name for name in recorded if name not in taken], "Provenance": provenance}


COLUMNS = [
    Column(
        "Field",
        lambda line: Cell(line["name"], line["name"], why=EXPLAINED.get(line["name"])),
        right=False,
    ),
    Column("Value", lambda line: Cell(line["value"], line["value"], line["below"]), right=False, wrap=True),
]


def line(name: str, row: pd.Series) -> tuple[str, str, str]:
    """Return a field's name, its value, and the text below: the 95 % interval, or the reason for a gap."""
    value = row[name]
    label = f"{name} (derived)" if name in DERIVED else name
    if pd.isna(value):
        return label, GAP, why_null(name, row)
    stem = INTERVALS.get(name, f"{name}_ci")
    low, high = row.get(f"{stem}_low"), row.get(f"{stem}_high")
    show = SHOWN.get(name, text)
    return label, show(value), "" if pd.isna(low) or low == high else f"95 %: {span(low, high, show)}"


def named(value: str) -> str:
    """Format metrics with their names, such as `word error rate 0.105`."""
    return ", ".join(f"{name.replace('_', ' ')} {text(each)}" for name, each in json.loads(value).items())


def text(value: object) -> str:
    """Format a recorded value: numbers with six digits, counts with all digits."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return f"{value:,.0f}"
    if value == math.inf:
        return "never: missed"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


SHOWN: dict[str, Callable[..., str]] = {"break_even": inferences, "other_metrics": named}
OF_LENGTHS = "{} of the lengths of the test samples from which the timed inputs are drawn, in length_unit"
EXPLAINED: dict[str, str] = {
    "other_metrics": "further metrics that the field reports for this task: shown beside the quality, never ranked",
    "length_unit": "samples of this task differ in length: each batch is cut to its longest sample, to avoid needless"
    " padding",
    "length_p10": OF_LENGTHS.format("the 10th percentile"),
    "length_p50": OF_LENGTHS.format("the median"),
    "length_p90": OF_LENGTHS.format("the 90th percentile"),
    "length_max": OF_LENGTHS.format("the maximum"),
}


def why_null(name: str, row: pd.Series) -> str:
    """Return the reason why a field is null, where it is known."""
    if name == "reason":
        return "the cell succeeded"
    if row["status"] != "ok" and name not in KNOWN_WITHOUT_MEASURING:
        return f"the cell ended as {row['status']}"
    return REASONS[name](row) if name in REASONS else "not recorded"


KNOWN_WITHOUT_MEASURING = {"usd_per_hour", "price_source", "price_date", "job_id", "gpu_model"}


def too_few_calls(percentile: float) -> Callable[[pd.Series], str]:
    """Return a function that says why a percentile is null: its bound needs more calls than each process made."""

    def why(row: pd.Series) -> str:
        made = row["timed_calls"] / row["processes"] if row["processes"] else math.nan
        per = "" if pd.isna(made) else f"; here {made:,.0f} on average"
        return f"needs {statistics.calls_needed(percentile)} calls in each process{per}"

    return why


def no_energy(row: pd.Series) -> str:
    """Say why an energy is null."""
    unknown = row["energy_method"] == protocol.NONE
    return "this machine counts none, and the profile states no watts" if unknown else "not counted"


def _said(reason: str) -> Callable[[pd.Series], str]:
    """Return a function that gives every row the same reason."""
    return lambda row: reason


LENGTHS = ("length_unit", "length_p10", "length_p50", "length_p90", "length_max")
NOT_COUNTED = "the processes had no network of their own to count on: see network_mbit in docs/protocol.md"
REFERENCE_ITSELF = "this is the reference: it has nothing to pay off"
REASONS: dict[str, Callable[[pd.Series], str]] = {
    **{f"{who}latency_{name}_ms": too_few_calls(p) for who in ("", "reference_") for name, p in PERCENTILES.items()},
    **dict.fromkeys(("energy_j_per_sample", "reference_energy_j_per_sample", "energy_gain"), no_energy),
    "train_energy_j": lambda row: no_energy(row) if row.get("timed_alone") else "other jobs ran beside it",
    "watts": _said("the profile states no watts, or energy is measured"),
    **dict.fromkeys(("usd_per_hour", "price_source", "price_date"), _said("the profile states no price")),
    **dict.fromkeys(("usd_per_million", "train_usd"), _said("the profile states no price, or the time is unknown")),
    **dict.fromkeys(("cuda_allocated_bytes", "cuda_reserved_bytes"), _said("only on CUDA")),
    **dict.fromkeys(("gpu_model", "gpu_driver", "gpu_count"), _said("this profile uses no GPU")),
    **dict.fromkeys(("cgroup_cpu_limit", "cgroup_memory_limit_bytes"), _said("no limit is set")),
    **dict.fromkeys(("governor", "turbo"), _said("the kernel does not report it, as in most virtual machines")),
    **dict.fromkeys(LENGTHS, _said("all inputs of the task are of one length")),
    "other_metrics": _said("the task reports no other metric"),
    "job_id": _said("run without a scheduler"),
    "config_sha256": _said("the job was run by hand, not by the workflow"),
    "reference_cell_id": _said("no reference is recorded"),
    "break_even": lambda row: (
        REFERENCE_ITSELF if row.get("chain") == protocol.REFERENCE else "a cost or the speed-up is unknown"
    ),
    "theoretical_speedup": _said("the operations of the row or of its reference could not be counted"),
    **dict.fromkeys(("flops", "nonzero_flops"), _said("an operation of the model could not be counted")),
    **dict.fromkeys(("runtime_speedup", "compression_speedup"), _said("fp32 was not measured in this runtime")),
    "quality_ratio": _said("the quality of the reference is unknown"),
    "network_mbit": _said("the profile names no link, so nothing throttles it"),
    "communicated_bytes": lambda row: NOT_COUNTED if row["world_size"] > 1 else "one process sends nothing",
    "speedup": _said("no reference was timed beside it"),
    "scaling_efficiency": _said("there is no single-device run of the same kind to compare with"),
}
