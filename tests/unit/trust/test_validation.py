"""Valid files pass. Every fault is reported with its place and its remedy."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sound
import yaml

from breakeven.cli import main
from breakeven.files import write_json
from breakeven.protocol import PROTOCOL_VERSION
from breakeven.rows import InferenceRow, Row, TrainingRow, arrow_schema
from breakeven.trust.rules import OWN, SHARED
from breakeven.trust.violations import violations

REFERENCE = {"chain": "fp32", "cell_id": sound.digest("fp32")}
INFERENCE_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "status that is none": ({"status": "fine"}, "status: is 'fine'"),
    "reason of a success": ({"reason": "none"}, "reason: is given"),
    "failure without a reason": ({**sound.FAILED, "reason": " "}, "reason: is missing, the status is timeout"),
    "success without quality": ({"quality": None}, "quality: is missing, the status is ok"),
    "success without latency": ({"latency_p50_ms": None}, "latency_p50_ms: is missing"),
    "success without speed-up": ({"speedup": None}, "speedup: is missing"),
    "success without an artifact": ({"artifact_sha256": None}, "artifact_sha256: is missing"),
    "success without its packed size": ({"packed_bytes": None}, "packed_bytes: is missing, the status is ok"),
    "packed to nothing": ({"packed_bytes": 0}, "packed_bytes: is 0, must be above 0"),
    "success without a machine": ({"hardware_fingerprint": None}, "hardware_fingerprint: is missing"),
    "older schema": ({"schema_version": 1}, "schema_version: is not"),
    "no cores": ({"cores": 0}, "cores: is 0, must be above 0"),
    "time below 0": ({"compress_time_s": -1.0}, "compress_time_s: is -1, must not be below 0"),
    "latency of 0": ({"latency_p50_ms": 0.0}, "latency_p50_ms: is 0, must be above 0"),
    "quality above 1": ({"quality": 1.5, "quality_ci_high": 2.0}, "quality: is 1.5, must lie in 0..1"),
    "reference quality above 1": ({"reference_quality": 1.5}, "reference_quality: is 1.5, must lie in 0..1"),
    "quality below its interval": ({"quality": 0.5}, "quality_ci_low: is 0.88, above quality, 0.5"),
    "quality above its interval": ({"quality": 0.95}, "quality: is 0.95, above quality_ci_high, 0.92"),
    "half an interval of quality": (
        {"quality_ci_low": None},
        "quality_ci_low: is unknown where quality_ci_high",
    ),
    "speed-up outside its interval": ({"speedup": 3.0}, "speedup: is 3, above speedup_ci_high, 2.1"),
    "half an interval of the speed-up": ({"speedup_ci_high": None}, "speedup_ci_low: is 1.9 where"),
    "energy outside its interval": ({"energy_gain": 1.0}, "energy_gain_ci_low: is 1.9, above energy_gain, 1"),
    "interval of the kept, turned": ({"quality_kept_ci_low": 1.1}, "quality_kept_ci_low: is 1.1, above"),
    "half an interval of the kept": ({"quality_kept_ci_low": None}, "quality_kept_ci_low: is unknown where"),
    "percentiles out of order": ({"latency_p90_ms": 1.0}, "latency_p50_ms: is 1.9, above latency_p90_ms, 1"),
    "reference's out of order": ({"reference_latency_p90_ms": 1.0}, "reference_latency_p50_ms: is 3.9, above"),
    "p99 of too few calls": ({"latency_p99_ms": 3.0}, "latency_p99_ms: is 3, from 1000 calls in 5 processes: too few"),
    "p50 of too few calls": (
        {"timed_calls": 54, "timed_s": 0.108},  # five processes need 11 each
        "latency_p50_ms: is 1.9, from 54 calls in 5 processes: too few",
    ),
    "p90 of unknown calls": ({**sound.FAILED, "timed_calls": None}, "latency_p90_ms: is 2.5, from unknown calls"),
    "more nonzero than all": ({"nonzero_parameters": 1001}, "nonzero_parameters: is 1001, above parameters, 1000"),
    "more arithmetic than all": ({"nonzero_flops": 101}, "nonzero_flops: is 101, above flops, 100"),
    "more memory than all": ({"memory_above_baseline_bytes": 10**9}, "memory_above_baseline_bytes: is 1e+09, above"),
    "contended by share": ({"cores": 2, "foreign_load_percent": 5.5}, "contended: is False at 5.5 % foreign load of 2"),
    "contended by cores": ({"cores": 64, "foreign_load_percent": 1.0}, "contended: is False at 1 % foreign load of 64"),
    "not contended at all": ({"contended": True}, "contended: is True at 0.5 % foreign load of 8 cores"),
    "contended, load unknown": ({**sound.FAILED, "contended": False}, "contended: is False at unknown % foreign load"),
    "unstable": ({"speedup_cv": 0.06}, "unstable: is False at a speedup_cv of 0.06"),
    "time of other calls": ({"timed_s": 3.0}, "timed_s: is 3, which is not timed_calls times latency_mean_ms"),
    "rate of other calls": ({"throughput_samples_per_s": 501.0}, "throughput_samples_per_s: is 501, which is not"),
    "energy by magic": ({"energy_method": "magic"}, "energy_method: is 'magic'"),
    "energy by none": ({"energy_method": "none"}, "energy_gain: is 2, though energy_method is none"),
    "energy by nobody": ({"energy_method": None}, "energy_j_per_sample: is 0.008, though energy_method is unknown"),
    "estimate without watts": ({"watts": None}, "watts: is missing, the energy is estimated"),
    "price without a source": ({"price_source": None}, "price_source: is missing, there is a price"),
    "price without a date": ({"price_date": None}, "price_date: is missing, there is a price"),
    "price of some day": ({"price_date": "last week"}, "price_date: is 'last week', must be a day"),
    "short sha256": ({"dataset_sha256": "ab"}, "dataset_sha256: is 'ab', must be a sha256"),
    "sha256 in capitals": ({"artifact_sha256": sound.sha256("x").upper()}, "artifact_sha256: is '"),
    "id that is none": ({"cell_id": "mine"}, "cell_id: is 'mine', must be 16 hexadecimal digits"),
    "GPU unknown": ({"accelerator": "cuda"}, "gpu_model: is missing, it ran on CUDA"),
    "accelerator unknown": ({"accelerator": "tpu"}, "accelerator: is 'tpu', must be one of cpu, cuda"),
    "time that is none": ({"started_at": "yesterday"}, "started_at: is 'yesterday', must be a time in UTC"),
    "time of another zone": ({"finished_at": "2026-11-25T08:01:00+01:00"}, "finished_at: is '2026"),
    "end before the start": ({"started_at": "2026-11-25T09:00:00Z"}, "started_at: is 2026-11-25T09:00:00Z, after"),
    "task that is none": ({"task": "Digits of π"}, "task: is 'Digits of π', must be a task"),
    "chain with a hole": ({"chain": "low_rank++int8"}, "chain: is 'low_rank++int8', must be steps joined by +"),
    "training without a place": ({"trained_as": "ddp"}, "trained_as: is 'ddp', must be method@hardware"),
    "parameters that are not JSON": ({"method_params": "{"}, "method_params: is not JSON"),
    "scenario unknown": ({"scenario": "server"}, "scenario: is 'server', must be one of single_stream, offline"),
    "mode unknown": ({"mode": "slow"}, "mode: is 'slow', must be one of brief, quick, full"),
    "reference of another": ({**REFERENCE, "reference_cell_id": sound.digest("x")}, "reference_cell_id: is another"),
    "not a number": ({"load_time_s": math.nan}, "load_time_s: is not a finite number"),
    "endless": ({"speedup_ci_high": math.inf}, "speedup_ci_high: is not a finite number"),
}
TRAINING_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "success without a time": ({"train_time_s": None}, "train_time_s: is missing, the status is ok"),
    "target after the end": ({"time_to_target_s": 11.0}, "time_to_target_s: is 11, after the end, 10"),
    "no steps": ({"steps": 0}, "steps: is 0, must be above 0"),
    "counted with others": ({"energy_method": "rapl", "timed_alone": False}, "train_energy_j: was counted while"),
    "energy by none": ({"energy_method": "none"}, "train_energy_j: is 40, though energy_method is none"),
    "another training": ({"trained_as": "ddp@cpu_1"}, "trained_as: is ddp@cpu_1, which is not single_device@cpu_1"),
    "price without a source": ({"price_source": None}, "price_source: is missing"),
}
GOOD: dict[str, list[Row]] = {
    "all figures": [sound.inference()],
    "the reference": [sound.inference("fp32")],
    "a failure": [sound.inference(**{**sound.FAILED, **sound.NOT_TIMED})],
    "a failure whose quality is known": [sound.inference(**{**sound.FAILED, **sound.NOT_TIMED, "quality": 0.9})],
    "no interval": [sound.inference(speedup_ci_low=None, speedup_ci_high=None, speedup_cv=None)],
    "p99 of enough calls": [
        sound.inference(timed_calls=3310, timed_s=6.62, latency_p99_ms=3.0)  # 662 calls in each of five processes
    ],
    "an error metric": [sound.inference(metric_unit="nats", quality=2.0, quality_ci_low=1.0, quality_ci_high=math.inf)],
    "a log-likelihood of one value": [
        sound.inference(metric_unit="nats", quality=-2.0, quality_ci_low=-2.0, quality_ci_high=-2.0)
    ],
    "much of few cores": [sound.inference(foreign_load_percent=6.0, contended=True)],
    "little of many cores": [sound.inference(cores=64, foreign_load_percent=1.0, contended=True)],
    "thresholds of another protocol": [
        sound.inference(protocol_version=PROTOCOL_VERSION + 1, contended=True, unstable=True, latency_p99_ms=3.0)
    ],
    "both scenarios": [
        sound.inference(),
        sound.inference(cell_id=sound.digest("o"), scenario="offline", batch_size=4, throughput_samples_per_s=2000.0),
    ],
    "two machines": [sound.inference(), sound.inference(machine="b")],
    "a training": [sound.training()],
    "a target that was missed": [sound.training(time_to_target_s=math.inf)],
    "an estimate beside others": [sound.training(timed_alone=False)],
    "a counter alone": [sound.training(energy_method="rapl", watts=None)],
    "processes that share memory": [sound.training(memory_above_baseline_bytes=-5)],
}


def faults(*rows: Row) -> list[str]:
    row_type = type(rows[0])
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=arrow_schema(row_type))
    return [rule.explain(table.to_pylist()[number]) for number, rule in violations(table, row_type)]


def validate(capsys: pytest.CaptureFixture, *paths: Path) -> tuple[int, str, str]:
    code = main.run(["validate", *map(str, paths)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.parametrize("name", GOOD)
def test_sound_rows_keep_every_rule(name: str) -> None:
    assert faults(*GOOD[name]) == []


@pytest.mark.parametrize("name", INFERENCE_FAULTS)
def test_fault_of_an_inference_row(name: str) -> None:
    change, expected = INFERENCE_FAULTS[name]
    assert [fault for fault in faults(sound.inference(**change)) if fault.startswith(expected)]


@pytest.mark.parametrize("name", TRAINING_FAULTS)
def test_fault_of_a_training_row(name: str) -> None:
    change, expected = TRAINING_FAULTS[name]
    assert [fault for fault in faults(sound.training(**change)) if fault.startswith(expected)]


MAY_BE_BELOW_0 = {"memory_above_baseline_bytes", "quality_target"}
NUMBERS = [
    (make, field.name)
    for make, row_type in ((sound.inference, InferenceRow), (sound.training, TrainingRow))
    for field in arrow_schema(row_type)
    if (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)) and field.name not in MAY_BE_BELOW_0
]
COMPLETE = [
    *("dataset_sha256", "hardware_fingerprint", "quality", "n_eval", "parameters", "peak_memory_bytes", "contended"),
    *("foreign_load_percent", "cpu_model", "cores", "started_at", "finished_at"),
]
COMPLETE_INFERENCE = [
    *("artifact_sha256", "reference_cell_id", "disk_bytes", "compress_time_s", "export_time_s", "timed_calls"),
    *("timed_s", "processes", "latency_mean_ms", "latency_p50_ms", "speedup", "throughput_samples_per_s"),
]
COMPLETE_TRAINING = ["train_time_s", "time_to_target_s", "steps", "world_size", "samples_per_s"]


@pytest.mark.parametrize(("make", "name"), NUMBERS)
def test_no_figure_is_below_0(make: Callable[..., Row], name: str) -> None:
    """This covers every column, also future ones."""
    assert [fault for fault in faults(make(**{name: -1})) if fault.startswith(f"{name}: ")]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((sound.inference, name) for name in [*COMPLETE, *COMPLETE_INFERENCE]),
        *((sound.training, name) for name in [*COMPLETE, *COMPLETE_TRAINING]),
    ],
)
def test_a_success_is_complete(make: Callable[..., Row], name: str) -> None:
    assert f"{name}: is missing, the status is ok: measure the cell again" in faults(make(**{name: None}))


def test_the_same_measurement_twice() -> None:
    again = sound.inference(finished_at="2026-11-25T09:00:00Z")
    assert ["is that of a row before" in fault for fault in faults(sound.inference(), again)] == [True]
    assert "is that of a row before" in faults(sound.training(), sound.training())[0]


def test_one_id_for_two_cells() -> None:
    found = faults(sound.inference(), sound.inference("low_rank", "b", cell_id=sound.digest("int8_static")))
    assert found == ["cell_id: stands for several cells: remove what was changed by hand"] * 2


@pytest.mark.parametrize("row_type", [InferenceRow, TrainingRow])
def test_an_empty_board_breaks_nothing(row_type: type[Row]) -> None:
    assert violations(arrow_schema(row_type).empty_table(), row_type) == []


@pytest.mark.parametrize("row_type", [InferenceRow, TrainingRow])
def test_every_rule_is_about_a_field_and_says_what_to_do(row_type: type[Row]) -> None:
    for rule in [*SHARED, *OWN[row_type]]:
        assert rule.field in row_type.__dataclass_fields__
        assert rule.remedy
        assert rule.explain(dict.fromkeys(row_type.__dataclass_fields__))  # also for a row without any known field


def test_boards_that_are_valid_say_what_they_hold(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    failed = sound.inference("low_rank", **{**sound.FAILED, **sound.NOT_TIMED})
    folder = sound.write(tmp_path, sound.inference(), sound.inference("fp32"), failed, sound.training())
    code, out, _ = validate(capsys, folder / "inference.parquet", folder / "training.parquet")
    assert code == 0
    assert out.splitlines() == [
        f"{folder}/inference.parquet: inference board: 3 rows (2 ok, 1 timeout); 1 task, 3 chains, 1 fingerprint",
        f"{folder}/training.parquet: training board: 1 row (1 ok); 1 task, 1 training, 1 fingerprint",
    ]


def test_a_fault_is_one_line_with_its_place_and_all_files_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    wrong = sound.write(tmp_path / "wrong", sound.inference(quality=1.5, quality_ci_high=2.0)) / "inference.parquet"
    good = sound.write(tmp_path / "good", sound.training()) / "training.parquet"
    code, out, err = validate(capsys, wrong, good)
    assert code == 2
    place = (
        f"{wrong}: row {sound.digest('int8_static')} (int8_static, single_stream): quality: is 1.5, must lie in 0..1"
    )
    assert out.splitlines()[0].startswith(place)
    assert out.splitlines()[0].endswith("measure the cell again")
    assert out.splitlines()[-1].startswith(f"{good}: training board")
    assert err.count("\n") == 1
    assert f"1 of 2 files, {wrong}:" in err


def test_no_more_faults_are_shown_than_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [sound.inference(cell_id=sound.digest(str(n)), load_time_s=-1.0) for n in range(50)]
    code, out, _ = validate(capsys, sound.write(tmp_path, *rows) / "inference.parquet")
    assert code == 2
    assert len(out.splitlines()) == 21
    assert out.splitlines()[-1] == "… and 30 faults more"


@pytest.mark.parametrize("row", [sound.inference(), sound.training(time_to_target_s=math.inf)], ids=["cell", "model"])
def test_the_rows_of_a_job(row: Row, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_json([asdict(row)], tmp_path / "rows.json")
    code, out, _ = validate(capsys, tmp_path / "rows.json")
    assert code == 0
    assert "rows: 1 row (1 ok)" in out


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.pop(name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda row: row.update(speedup="2.0"), "speedup: Input should be a valid number, not '2.0'"),
        (lambda row: row.update(seed=1.0), "seed: Input should be a valid integer, not 1.0"),
        (lambda row: row.update(seed=None), "seed: Input should be a valid integer, not None"),
        (lambda row: row.update(contended=0), "contended: Input should be a valid boolean, not 0"),
        (lambda row: row.update(task=1), "task: Input should be a valid string, not 1"),
        (lambda row: row.update(status="fine"), "status: Input should be 'ok',"),
        (lambda row: row.update(colour="red"), "colour: is no field of such a row: written by another version"),
        (without("cell_id"), "cell_id: is not there: written by another version"),
        (without("load_time_s"), "load_time_s: is not there: written by another version"),
        (lambda row: row.update(ram_bytes=2**70), "a number is too large"),
        (lambda row: row.update(quality=0.5), "quality_ci_low: is 0.88, above quality, 0.5"),
    ],
)
def test_rows_of_a_job_that_are_wrong(
    change: Callable[[dict[str, Any]], Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    row = json.loads(json.dumps(asdict(sound.inference())))
    change(row)
    write_json([row], tmp_path / "rows.json")
    code, out, _ = validate(capsys, tmp_path / "rows.json")
    assert code == 2
    assert expected in out
    assert len(out.splitlines()) == 1


def board_of_another_version(path: Path) -> None:
    schema = arrow_schema(InferenceRow)
    pq.write_table(schema.with_metadata({**schema.metadata, b"breakeven.schema_version": b"1"}).empty_table(), path)


def board_with_text_that_is_none(path: Path) -> None:
    table = pa.Table.from_pylist([asdict(sound.inference())], schema=arrow_schema(InferenceRow))
    text = pa.array([b"\xff\xfe"]).view(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("task"), table.schema.field("task"), text), path)


def board_cut_short(path: Path) -> None:
    sound.write(path.parent, sound.inference())
    content = (path.parent / "inference.parquet").read_bytes()
    path.write_bytes(content[:2000] + bytes(64) + content[2064:])


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("old.parquet", board_of_another_version, "has schema 1, this is"),
        ("text.parquet", board_with_text_that_is_none, "damaged"),
        ("cut.parquet", board_cut_short, "cut.parquet: "),
        ("other.parquet", lambda path: pq.write_table(pa.table({"a": [1]}), path), "not a board made by Breakeven"),
        ("none.parquet", lambda path: path.write_text("x"), "not a board made by Breakeven"),
        ("gone.parquet", lambda path: None, "no such file"),
        ("folder.parquet", lambda path: path.mkdir(), "a folder: name the files in it"),
        ("rows.json", lambda path: path.write_text("[{"), "not valid JSON"),
        ("rows.json", lambda path: path.write_bytes(b"\xff"), "not valid JSON"),
        ("job.json", lambda path: path.write_text('{"stage": "train"}'), "holds no rows"),
        ("empty.json", lambda path: path.write_text("[]"), "holds no rows"),
        ("list.json", lambda path: path.write_text("[1]"), "holds no rows"),
        ("notes.txt", lambda path: path.write_text("x"), "not a .parquet, .json or .yaml file"),
        ("mine.yaml", lambda path: path.write_text("cores: 4\n"), "neither a grid nor a hardware profile"),
        ("list.yaml", lambda path: path.write_text("- 4\n"), "neither a grid nor a hardware profile"),
        ("broken.yaml", lambda path: path.write_text("a: [\n"), "not valid YAML"),
        ("grid.yaml", lambda path: path.write_text("tasks: [digits]\n"), "is a required property"),
        ("profile.yaml", lambda path: path.write_text("accelerator: cpu\nthreds: 1\n"), "did you mean 'threads'?"),
    ],
)
def test_files_that_are_something_else(
    name: str, make: Callable[[Path], Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    make(tmp_path / name)
    code, out, err = validate(capsys, tmp_path / name)
    assert code == 2
    assert out.startswith(str(tmp_path / name))
    assert expected in out
    assert err.count("\n") == 1


def test_grids_and_profiles_are_told_apart_by_their_keys(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    profile = {"accelerator": "cpu", "devices": 2, "nodes": 1, "threads": 1, "memory_gib": 1, "device_pattern": ""}
    grid = {"tasks": ["mandarin_initials"], "seeds": [0], "training_cells": [], "trained_as": "single_device@cpu_1"}
    grid |= {"chains": ["int8_dynamic"], "hardware": ["cpu_1"], "mode": "quick"}
    for name, content in (("a.yaml", profile), ("b.yml", grid)):
        (tmp_path / name).write_text(yaml.safe_dump(content))
    code, out, _ = validate(capsys, tmp_path / "a.yaml", tmp_path / "b.yml")
    assert code == 0
    assert "a.yaml: hardware profile: cpu, 2 devices, 1 thread each" in out
    assert "b.yml: grid: 0 training cells, 3 inference cells" in out


def test_a_yaml_file_without_known_keys_is_told_by_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "mine.yaml").write_text("cores: 4\n")
    assert "unknown key 'cores'" in validate(capsys, tmp_path / "hardware" / "mine.yaml")[1]
