"""Facts read from the machine, the fingerprint that makes rows comparable, and the load of other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from breakeven import files
from breakeven.environment import CONFIG_SHA256
from breakeven.grid import cells
from breakeven.machine import provenance
from breakeven.machine.limits import Gpu
from breakeven.machine.load import ForeignLoad
from breakeven.machine.provenance import hardware_fingerprint
from breakeven.protocol import is_contended
from breakeven.rows import Provenance
from breakeven.units import registry

CPU, CUDA = registry.hardware("cpu_1"), registry.hardware("cuda_1")
PRINT = """
from breakeven.machine.provenance import hardware_fingerprint
from breakeven.units.registry import hardware
print(hardware_fingerprint(hardware("cpu_1")))
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Read the machine anew before and after each test, because each process reads it only once."""
    caches = (provenance._machine, provenance._software, provenance._gpu)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_every_field_read_is_a_field_of_the_row() -> None:
    read = provenance.provenance(registry.hardware("cpu_1"))
    assert read.keys() <= Provenance.__dataclass_fields__.keys()
    for name in ("cpu_model", "cores", "threads_allowed", "ram_bytes", "kernel", "python", "torch", "executor"):
        assert read[name], name


def test_the_libraries_are_json_of_versions() -> None:
    import onnxruntime

    libraries = json.loads(provenance.provenance(CPU)["libraries"])
    assert libraries.keys() == set(provenance.LIBRARIES)
    assert libraries["onnxruntime"] == onnxruntime.__version__


def test_a_library_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "LIBRARIES", ["numpy", "no-such-package"])
    assert json.loads(provenance.provenance(CPU)["libraries"])["no-such-package"] is None


def test_the_configs_hash_comes_from_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_SHA256, "c" * 64)
    assert provenance.provenance(CPU)["config_sha256"] == "c" * 64
    provenance._software.cache_clear()
    monkeypatch.delenv(CONFIG_SHA256)
    assert provenance.provenance(CPU)["config_sha256"] is None  # started by hand


GRID = {
    "tasks": ["mandarin_initials"],
    "seeds": [0],
    "training_cells": [],
    "trained_as": "single_device@cpu_1",
    "chains": ["int8_dynamic"],
    "hardware": ["cpu_1"],
    "mode": "quick",
}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"results": "elsewhere"}, True),
        ({"seeds": ["0"]}, True),  # Snakemake passes the numbers of --config as text
        ({"seeds": [1]}, False),
        ({"mode": "full"}, False),
        ({"chains": []}, False),
        ({"hardware": ["cpu_2"]}, False),
    ],
    ids=str,
)
def test_the_configs_hash_is_of_what_is_measured_wherever_it_goes(change: dict, same: bool) -> None:
    assert (cells.expand({**GRID, **change}).config_sha256 == cells.expand(GRID).config_sha256) == same


def test_a_digest_depends_on_content_alone() -> None:
    assert files.digest({"a": 1, "b": 2}) == files.digest({"b": 2, "a": 1})
    assert files.digest(["a"]) != files.digest(["b"])


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7", CONFIG_SHA256: "d" * 64}
    done = subprocess.run([sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hardware_fingerprint(CPU)


Change = Callable[[pytest.MonkeyPatch], object]


def machine(name: str, value: object) -> Change:
    """Replace the function or constant of this name, which `_machine` reads."""
    return lambda patch: patch.setattr(provenance, name, lambda *_: value)


def kernel_files(**files: str) -> Change:
    """Replace the contents of files below /sys/devices/system/cpu; `__` stands for a slash."""

    def change(patch: pytest.MonkeyPatch) -> None:
        real = provenance._text
        known = {provenance.CPU / name.replace("__", "/"): text for name, text in files.items()}
        patch.setattr(provenance, "_text", lambda path: known.get(path, real(path)))

    return change


MATTERS: dict[str, Change] = {
    "another processor": machine("cpu_model", "Abacus 9000"),
    "another number of cores": lambda patch: patch.setattr(psutil, "cpu_count", lambda *_: 96),
    "a quota": machine("cgroup_cores", 1.5),
    "another governor": kernel_files(cpu0__cpufreq__scaling_governor="powersafe"),
    "turbo on": kernel_files(cpufreq__boost="1"),
    "turbo off, by Intel's file": kernel_files(intel_pstate__no_turbo="1"),
}
MATTERS_NOT: dict[str, Change] = {
    "load": lambda patch: patch.setattr(os, "getloadavg", lambda: (99.0, 99.0, 99.0)),
    "time": machine("now", "2031-01-01T00:00:00+00:00"),
    "software": machine("package_version", "99.0"),
    "commit": machine("_git", "0" * 40),
    "kernel": lambda patch: patch.setattr("platform.release", lambda: "9.9"),
    "python": lambda patch: patch.setattr("platform.python_version", lambda: "9.9"),
    "config": lambda patch: patch.setenv(CONFIG_SHA256, "e" * 64),
    "a GPU that the profile does not use": machine("gpus_found", [Gpu("H100", 80, "570")]),
}


def test_the_commit_is_that_of_the_engine_and_not_of_a_repository_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance._git("rev-parse", "HEAD")
    monkeypatch.setattr(provenance, "REPOSITORY", provenance.REPOSITORY / "workflow")
    assert provenance._git("rev-parse", "HEAD") is None


@pytest.mark.parametrize("name", MATTERS)
def test_the_fingerprint_changes_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hardware_fingerprint(CPU)
    provenance._machine.cache_clear()
    MATTERS[name](monkeypatch)
    assert hardware_fingerprint(CPU) != before


@pytest.mark.parametrize("name", MATTERS_NOT)
def test_the_fingerprint_does_not_change_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hardware_fingerprint(CPU)
    provenance._machine.cache_clear()
    MATTERS_NOT[name](monkeypatch)
    assert hardware_fingerprint(CPU) == before


@pytest.mark.parametrize("change", [{"threads": 2}, {"devices": 2}, {"nodes": 2}, {"accelerator": "cuda"}], ids=str)
def test_the_fingerprint_changes_with_the_profiles(change: dict) -> None:
    assert hardware_fingerprint(replace(CPU, **change)) != hardware_fingerprint(CPU)


def test_the_fingerprint_does_not_change_with_a_price() -> None:
    changed = replace(CPU, name="other", usd_per_hour=9.0, watts=1.0, price_source="x")
    assert hardware_fingerprint(changed) == hardware_fingerprint(CPU)


@pytest.mark.parametrize(("gpu", "same"), [(Gpu("H100", 80, "570"), True), (Gpu("H100", 80, "580"), False)])
def test_the_fingerprint_of_a_gpus_profile_changes_with_the_gpu(
    gpu: Gpu, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "gpus_found", lambda: [Gpu("H100", 80, "570")])
    before = hardware_fingerprint(CUDA)
    monkeypatch.setattr(provenance, "gpus_found", lambda: [gpu])
    provenance._gpu.cache_clear()
    assert (hardware_fingerprint(CUDA) == before) == same


def test_a_gpus_profile_records_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "gpus_found", lambda: [Gpu("H100", 80, "570")] * 2)
    read = provenance.provenance(CUDA)
    assert (read["gpu_model"], read["gpu_driver"], read["gpu_count"]) == ("H100", "570", 2)
    assert "gpu_model" not in provenance.provenance(CPU)


@pytest.mark.parametrize(
    ("boost", "no_turbo", "turbo"), [("1", None, True), ("0", None, False), (None, "0", True), (None, "1", False)]
)
def test_turbo(boost: str | None, no_turbo: str | None, turbo: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {provenance.CPU / "cpufreq/boost": boost, provenance.CPU / "intel_pstate/no_turbo": no_turbo}
    monkeypatch.setattr(provenance, "_text", files.get)
    assert provenance._turbo() is turbo
    monkeypatch.setattr(provenance, "_text", lambda path: None)
    assert provenance._turbo() is None


@pytest.mark.parametrize(
    ("cores", "percent", "contended"),
    [
        (2, 4.9, False),
        (2, 5.1, True),
        (64, 0.7, False),  # 0.45 cores
        (64, 0.9, True),  # 0.58 cores: a busy process, though a small share of the machine
        (64, 5.1, True),
    ],
)
def test_contended_is_a_share_or_half_a_core(
    cores: int, percent: float, contended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert is_contended(percent) == contended


def test_another_process_is_foreign_until_it_is_named_as_ours() -> None:
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        process = psutil.Process(burner.pid)
        with ForeignLoad() as foreign, ForeignLoad([burner.pid]) as ours:
            before = process.cpu_times().user
            while process.cpu_times().user - before < 0.5:
                pass
        share = 100 * 0.5 / ours.elapsed_s / psutil.cpu_count()
        assert foreign.percent - ours.percent > 0.8 * share
    finally:
        burner.kill()
        burner.wait()


GRANDCHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "print('here', flush=True)\\nwhile True: pass"]).wait()
"""


def test_what_a_named_process_has_started_is_ours() -> None:
    parent = subprocess.Popen([sys.executable, "-c", GRANDCHILD], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"here\n"
    (burner,) = psutil.Process(parent.pid).children()
    try:
        with ForeignLoad([parent.pid]) as load:
            before, own = burner.cpu_times().user, load._own_s()
            while burner.cpu_times().user - before < 0.5:
                pass
            assert load._own_s() - own > 0.9 * 0.5
            burner.kill()
            parent.wait()
            assert load._own_s() >= own
    finally:
        for process in (burner, parent):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        parent.wait()


def test_a_child_that_has_ended_is_ours() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass"
    with ForeignLoad() as load:
        before = load._own_s()
        subprocess.run([sys.executable, "-c", code], check=True)
        assert load._own_s() - before > 0.45
