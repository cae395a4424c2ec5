"""Every user error ends in one line that says what is wrong, where, and what to do."""

from pathlib import Path

import pytest
import yaml

from breakeven.cli import main

GOOD = {
    "tasks": ["mandarin_initials"],
    "seeds": [0],
    "training_cells": ["single_device@cpu_1"],
    "trained_as": "single_device@cpu_1",
    "chains": ["int8_dynamic"],
    "hardware": ["cpu_1"],
    "mode": "quick",
}
MISTAKES = {
    "unknown task": ({"tasks": ["mandarin_initial"]}, ["mandarin_initial", "did you mean 'mandarin_initials'"]),
    "unknown step": ({"chains": ["int8_dynamik"]}, ["int8_dynamik", "did you mean 'int8_dynamic'"]),
    "unknown profile": ({"hardware": ["cpu_11"]}, ["cpu_11", "did you mean 'cpu_1'"]),
    "unknown parameter": ({"chains": ["magnitude_pruning-sparsty=0.5"]}, ["did you mean 'sparsity'"]),
    "parameter of the wrong type": ({"chains": ["magnitude_pruning-sparsity=high"]}, ["sparsity", "'high'"]),
    "parameter out of range": ({"chains": ["magnitude_pruning-sparsity=1.5"]}, ["sparsity", "less than 1"]),
    "parameter that leaves the folder": ({"tasks": ["fashion_mnist-network=../x"]}, ["only letters"]),
    "extra key": ({"tsks": []}, ["unknown key 'tsks'", "did you mean 'tasks'"]),
    "a key that was renamed": ({"timing": "quick"}, ["timing: is now called mode"]),
    "wrong type of a key": ({"seeds": "0"}, ["seeds", "whole numbers"]),
    "value of a list": ({"seeds": [-1]}, ["seeds[0]", "minimum of 0"]),
    "a name where a list belongs": ({"tasks": "mandarin_initials"}, ["tasks", "such as [fashion_mnist]"]),
    "choice": ({"mode": "slow"}, ["mode", "brief, quick or full"]),
    "time that is no number": ({"timeout_min": "long"}, ["timeout_min", "minutes after which a job is ended"]),
    "part of a minute": ({"timeout_min": 0.5}, ["timeout_min", "is not of type 'integer'"]),
    "no time at all": ({"timeout_min": 0}, ["timeout_min", "minimum of 1"]),
    "two runtimes": ({"chains": ["onnxruntime+eager"]}, ["one runtime"]),
    "module step after a runtime": ({"chains": ["onnxruntime+low_rank"]}, ["put it before"]),
    "steps in an order that undoes": ({"chains": ["magnitude_pruning+low_rank"]}, ["undoes", "put 'low_rank' before"]),
    "training method as a step": ({"chains": ["ddp"]}, ["training method"]),
    "step as a training method": ({"training_cells": ["low_rank@cpu_1"]}, ["does not train"]),
    "training without a place": ({"training_cells": ["ddp"]}, ["method@hardware"]),
    "the reference in a chain": ({"chains": ["fp32+onnxruntime"]}, ["'fp32' cannot be a step"]),
}


def _check(path: Path, capsys: pytest.CaptureFixture, expected: list[str]) -> None:
    assert main.run(["check", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    for text in expected:
        assert text in error


def test_a_good_config_passes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert main.run(["check", str(path)]) == 0
    assert "1 training cells, 3 inference cells" in capsys.readouterr().out


def test_a_time_limit_is_a_key_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "timeout_min": 1}))
    assert main.run(["check", str(path)]) == 0
    assert "1 training cells, 3 inference cells" in capsys.readouterr().out


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_a_config(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    change, expected = MISTAKES[name]
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    _check(path, capsys, expected)


def test_missing_key(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in GOOD.items() if k != "chains"}))
    _check(path, capsys, [str(path), "'chains' is a required property"])


def test_config_that_is_not_yaml(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("tasks: [a\nseeds: [0]\n")
    _check(path, capsys, [f"{path}, line 2", "not valid YAML"])


def test_config_that_holds_no_mapping(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("- tasks\n")
    _check(path, capsys, [str(path), "is not of type 'object'"])


def test_config_that_tries_to_run_code(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text("tasks: !!python/object/apply:os.system ['false']\n")
    _check(path, capsys, [f"{path}, line 1", "not valid YAML"])


def test_missing_config(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    _check(tmp_path / "none.yaml", capsys, ["none.yaml", "No such file", "check the path"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("accelerator: cpu\nthreads: 1\n", ["is a required property"]),
        ("accelerator: cpu\nthreds: 1\n", ["unknown key 'threds'", "did you mean 'threads'"]),
        ("accelerator: tpu\n", ["cpu or cuda"]),
        ("usd_per_hour: 1\n", ["'price_source' is a dependency of 'usd_per_hour'"]),
        ("watts: 4\n", ["'watts_source' is a dependency of 'watts'"]),
        ("watts: 0\nwatts_source: x\n", ["watts", "less than or equal to the minimum of 0"]),
        ("device_pattern: '('\n", ["device_pattern", "regular expression"]),
        ("slurm: {partitoin: gpu}\n", ["slurm", "'partitoin' was unexpected", "such as {partition: gpu"]),
        ("slurm: {gres: gpu}\n", ["slurm.gres", "'gpu' does not match", "gres: 'gpu:a100:1'"]),
    ],
)
def test_mistake_in_a_hardware_file(
    content: str, expected: list[str], content_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    good = {"accelerator": "cpu", "devices": 1, "nodes": 1, "threads": 1, "memory_gib": 1, "device_pattern": ".*"}
    profile = content_root / "hardware" / "mine.yaml"
    profile.parent.mkdir()
    given = yaml.safe_load(content)
    profile.write_text(yaml.safe_dump(given if "required" in expected[0] else {**good, **given}))
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump({**GOOD, "hardware": ["mine"]}))
    _check(config, capsys, [str(profile), *expected])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("import nothing_of_this_name\n", ["line 1", "does not import", "nothing_of_this_name"]),
        ("def broken(:\n", ["line 1", "SyntaxError"]),
        ("x = 1\n", ["holds 0 subclasses of Method"]),
        ("from breakeven.method import CompressionMethod\nclass Half(CompressionMethod):\n    pass\n", ["contract"]),
    ],
)
def test_mistake_in_a_unit_file(
    content: str, expected: list[str], content_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    unit = content_root / "methods" / "compression" / f"mine_{abs(hash(content))}.py"
    unit.parent.mkdir(parents=True)
    unit.write_text(content)
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump({**GOOD, "chains": [unit.stem]}))
    _check(config, capsys, [str(unit), *expected])


def test_two_units_of_one_name(content_root: Path, capsys: pytest.CaptureFixture) -> None:
    twin = content_root / "methods" / "compression" / "low_rank.py"
    twin.parent.mkdir(parents=True)
    twin.write_text("")
    assert main.run(["list"]) == 2
    assert f"{twin}: methods 'low_rank' is also" in capsys.readouterr().err


def test_unknown_kind(capsys: pytest.CaptureFixture) -> None:
    assert main.run(["list", "methdos"]) == 2
    assert "did you mean 'methods'" in capsys.readouterr().err


def test_unknown_board(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main.run(["collect", "--board", "trainings", "--output", str(tmp_path / "x.parquet"), str(tmp_path)]) == 2
    assert "did you mean 'training'" in capsys.readouterr().err


def test_results_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main.run(["leaderboard", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "make run" in error
