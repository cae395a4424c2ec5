"""Each check of this machine, on a healthy machine and on a faulty one."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from rich.console import Console

from breakeven.data import store as data
from breakeven.errors import UserError
from breakeven.machine import energy, limits, load, memory
from breakeven.machine.limits import Gpu
from breakeven.trust import doctor
from breakeven.trust.doctor import devices, machine, software
from breakeven.trust.doctor.finding import Finding, Level
from breakeven.units import registry

GIB = 2**30


def tree(root: Path, files: dict[str, str]) -> Path:
    """Make a folder with these files, as the kernel would show them."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def is_(finding: Finding | None, level: Level, *texts: str) -> None:
    assert finding is not None
    assert finding.level is level, finding
    for text in texts:
        assert text in f"{finding.found} -> {finding.remedy}", finding
    assert (finding.remedy is not None) or level in (Level.OK, Level.NOTE), "a warning says what to do"


@pytest.mark.parametrize(
    ("governors", "level", "text"),
    [
        ([], Level.NOTE, "cannot be read"),
        (["performance", "performance"], Level.OK, "performance on 2 cores"),
        (["performance", "powersave"], Level.WARNING, "sudo cpupower frequency-set -g performance"),
    ],
)
def test_governor(governors: list[str], level: Level, text: str, tmp_path: Path) -> None:
    files = {f"cpu{n}/cpufreq/scaling_governor": governor for n, governor in enumerate(governors)}
    is_(machine.governor(tree(tmp_path, files)), level, text)


@pytest.mark.parametrize(
    ("files", "level", "text"),
    [
        ({}, Level.NOTE, "cannot be read"),
        ({"cpufreq/boost": "0"}, Level.OK, "off"),
        ({"intel_pstate/no_turbo": "1"}, Level.OK, "off"),
        ({"cpufreq/boost": "1"}, Level.WARNING, "echo 0 | sudo tee {root}/cpufreq/boost"),
        ({"intel_pstate/no_turbo": "0"}, Level.WARNING, "echo 1 | sudo tee {root}/intel_pstate/no_turbo"),
    ],
)
def test_turbo(files: dict[str, str], level: Level, text: str, tmp_path: Path) -> None:
    is_(machine.turbo(tree(tmp_path, files)), level, text.format(root=tmp_path))


@pytest.mark.parametrize(
    ("files", "level", "text"),
    [
        ({}, Level.NOTE, "cannot be read"),
        ({"smt/active": "0"}, Level.OK, "one thread per core"),
        ({"smt/active": "1"}, Level.NOTE, "echo off | sudo tee {root}/smt/control"),
    ],
)
def test_siblings(files: dict[str, str], level: Level, text: str, tmp_path: Path) -> None:
    is_(machine.siblings(tree(tmp_path, files)), level, text.format(root=tmp_path))


@pytest.mark.parametrize(
    ("allowed", "level", "text"),
    [({0, 1, 2, 3}, Level.OK, "all 4 may be used"), ({3, 1}, Level.NOTE, "2 of 4 may be used: 1, 3")],
)
def test_cores(allowed: set[int], level: Level, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    is_(machine.cores(), level, text)


@pytest.mark.parametrize(
    ("limit", "level", "text"),
    [
        ("max 100000", Level.OK, "no limit"),
        ("400000 100000", Level.OK, "no limit"),
        ("150000 100000", Level.WARNING, "the time of 1.5 cores, spread over 4"),
    ],
)
def test_quota(limit: str, level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CGROUP", tree(tmp_path / "sys", {"cpu.max": limit}))
    monkeypatch.setattr(limits, "OWN_CGROUP", tree(tmp_path, {"own": "0::/"}) / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    is_(machine.quota(), level, text)


@pytest.mark.parametrize(
    ("flags", "stolen", "level", "text"),
    [
        ("fpu sse", 0.0, Level.OK, "no hypervisor"),
        ("fpu hypervisor", 0.0, Level.NOTE, "a virtual machine: 0 %"),
        ("fpu hypervisor", 5.0, Level.WARNING, "a virtual machine: 5 % of its time"),
    ],
)
def test_virtual(
    flags: str, stolen: float, level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = type(psutil.cpu_times())(*([0.0] * len(psutil.cpu_times())))
    monkeypatch.setattr(psutil, "cpu_times", lambda: times._replace(idle=100.0 - stolen, steal=stolen))
    is_(machine.virtual(tree(tmp_path, {"cpuinfo": f"flags : {flags}"}) / "cpuinfo"), level, text)


@pytest.mark.parametrize(
    ("free_gib", "level", "text"),
    [(16, Level.OK, "16.0 GiB are free"), (1, Level.PROBLEM, "1.0 GiB are free; no profile needs less than 3")],
)
def test_memory(free_gib: int, level: Level, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free_gib * GIB, total=32 * GIB))
    monkeypatch.setattr(limits, "cgroup_memory_bytes", lambda: None)
    is_(machine.free_memory(), level, text)
    monkeypatch.setattr(limits, "cgroup_memory_bytes", lambda: 8 * GIB)
    is_(machine.free_memory(), level, "a container's limit is 8.0 GiB")


@pytest.mark.parametrize(
    ("total", "used", "swappiness", "level", "text"),
    [
        (0, 0, "60", Level.OK, "none"),
        (GIB, 0, "10", Level.OK, "0 MiB used"),
        (GIB, 0, "60", Level.NOTE, "sudo sysctl vm.swappiness=10"),
        (4 * GIB, GIB, "1", Level.WARNING, "1.0 GiB are swapped out"),
    ],
)
def test_swap(
    total: int, used: int, swappiness: str, level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=total, used=used))
    is_(machine.swap(tree(tmp_path, {"swappiness": swappiness}) / "swappiness"), level, text)


def test_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    is_(machine.peaks(), Level.OK)

    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(memory, "reset_peak", refuse)
    is_(machine.peaks(), Level.PROBLEM, "Operation not permitted")


def test_load_names_who_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        process = psutil.Process(burner.pid)

        def until_it_has_worked() -> None:
            before = process.cpu_times().user
            while process.cpu_times().user - before < 0.3:
                pass

        every = psutil.process_iter
        monkeypatch.setattr(psutil, "process_iter", lambda names: (p for p in every(names) if p.pid == burner.pid))
        monkeypatch.setattr(machine, "is_contended", lambda percent: percent > 0)
        is_(machine.load(until_it_has_worked), Level.PROBLEM, f"({burner.pid})", "% of a core")
    finally:
        burner.kill()
        burner.wait()


def test_a_process_that_changes_its_name_is_still_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise all its earlier use would count."""

    def worker(name: str, pid: int, seconds: float) -> SimpleNamespace:
        times = SimpleNamespace(user=seconds, system=0.0)
        return SimpleNamespace(pid=pid, info={"name": name, "create_time": 1.0, "cpu_times": times})

    looks = iter([[worker("kworker/0:1-a", 5, 900.0)], [worker("kworker/0:1-b", 5, 900.0), worker("new", 6, 10.0)]])
    monkeypatch.setattr(psutil, "process_iter", lambda names: next(looks))
    found = machine.load(lambda: None).found
    assert "kworker" not in found
    assert "new (6)" in found


def test_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_busy_s", lambda: 0.0)
    is_(machine.load(lambda: None), Level.OK, "others use 0.0 % of the machine")


ALL = "cpu_1 cpu_2 cpu_2nodes cpu_2x1 cpu_2x1_200mbit cuda_1"


@pytest.mark.parametrize(
    ("given", "level", "text"),
    [
        (ALL, Level.OK, "cpu_1, cpu_2, cpu_2nodes, cpu_2x1, cpu_2x1_200mbit, cuda_1 can be given"),
        ("cpu_1", Level.NOTE, "cpu_1 can be given; cpu_2: too small;"),
        ("", Level.PROBLEM, "none can be given; cpu_1: too small"),
    ],
)
def test_profiles(given: str, level: Level, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = lambda profile: None if profile.name in given.split() else "too small"  # noqa: E731
    monkeypatch.setattr(limits, "missing", missing)
    is_(machine.profiles(), level, text)


H100 = Gpu("NVIDIA H100", 80.0, "580.1")


@pytest.mark.parametrize(
    ("tool", "gpus", "built", "driver", "level", "text"),
    [
        (None, [], 13, None, Level.NOTE, "no nvidia-smi"),
        ("x", [], 13, None, Level.WARNING, "lists none -> run nvidia-smi"),
        ("x", [H100], 13, 13, Level.OK, "NVIDIA H100, driver 580.1"),
        ("x", [H100], 13, None, Level.OK, "NVIDIA H100"),
        ("x", [H100], 13, 12, Level.PROBLEM, "made for CUDA 12; torch was built for CUDA 13"),
        ("x", [H100], None, 13, Level.PROBLEM, "has no CUDA"),
    ],
)
def test_gpu(
    tool: str | None, gpus: list[Gpu], built: int | None, driver: int | None, level: Level, text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(devices.shutil, "which", lambda name: tool)
    monkeypatch.setattr(devices, "gpus_found", lambda: gpus)
    monkeypatch.setattr(devices, "torch_cuda", lambda: built)
    monkeypatch.setattr(devices, "driver_cuda", lambda: driver)
    is_(devices.gpu(), level, text)


def test_the_cuda_that_torch_was_built_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    own = torch.version.cuda
    assert devices.torch_cuda() == (None if own is None else int(own.partition(".")[0]))
    for text, expected in (("cuda: Optional[str] = '12.8'", 12), ("cuda: Optional[str] = None", None)):
        version = tree(tmp_path, {"version.py": f"__version__ = '2'\n{text}\nhip = '6.0'"})
        spec = SimpleNamespace(origin=str(version / "__init__.py"))
        monkeypatch.setattr(devices, "find_spec", lambda name, spec=spec: spec)
        assert devices.torch_cuda() == expected


@pytest.mark.parametrize(
    ("script", "level", "text"),
    [
        ("echo Enabled", Level.OK, "persistence mode is on"),
        ("echo Disabled", Level.WARNING, "sudo nvidia-smi -pm 1"),
        ("echo no; exit 9", Level.OK, "not readable"),
    ],
)
def test_gpu_clock(script: str, level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tree(tmp_path, {"nvidia-smi": f"#!/bin/sh\n{script}"}) / "nvidia-smi"
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(devices, "gpus_found", lambda: [H100])
    is_(devices.gpu_clock(), level, text)


def test_without_a_gpu_its_checks_do_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus_found", lambda: [])
    assert devices.gpu_clock() is None
    assert devices.gpu_energy() is None


RAPL = {"intel-rapl:0/name": "package-0", "intel-rapl:0/max_energy_range_uj": "1000"}


@pytest.mark.parametrize(
    ("files", "level", "text"),
    [
        ({}, Level.NOTE, "no counters"),
        ({**RAPL, "intel-rapl:0/energy_uj": "1"}, Level.OK, "counted"),
        (RAPL, Level.WARNING, "sudo chmod a+r {root}/intel-rapl*/energy_uj"),
    ],
)
def test_cpu_energy(
    files: dict[str, str], level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tree(tmp_path, files))
    is_(devices.cpu_energy(), level, text.format(root=tmp_path))


@pytest.mark.parametrize(
    ("counters", "level", "text"),
    [([energy.Counter(lambda: 0.0)], Level.OK, "NVML"), ([], Level.WARNING, "is not counted")],
)
def test_gpu_energy(counters: list, level: Level, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus_found", lambda: [H100])
    monkeypatch.setattr(energy, "_nvml", lambda devices: counters)
    is_(devices.gpu_energy(), level, text)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty cache."""
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_data_that_is_still_to_be_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.shutil, "which", lambda name: f"/usr/bin/{name}")
    finding = software.task_data()
    is_(finding, Level.NOTE, "fetched when needed: ", "mandarin_initials (gcin-voice_0~20170223-3_all.deb)")
    assert "at hand" not in finding.found
    assert not cache.exists(), "nothing was fetched"


def test_data_that_cannot_be_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.shutil, "which", lambda name: None)
    is_(software.task_data(), Level.WARNING, "cannot be fetched: ", "mandarin_initials", str(cache))
    for unit in registry.units("tasks").values():  # as if put there by hand
        tree(cache, {f"downloads/{archive.filename}": "" for archive in registry.load("tasks", unit.name).archives})
    is_(software.task_data(), Level.NOTE, "fetched when needed: ")


@pytest.mark.parametrize("where", ["sources", "prepared"])
def test_data_that_is_at_hand(where: str, cache: Path) -> None:
    for unit in registry.units("tasks").values():
        if where == "sources":
            for archive in registry.load("tasks", unit.name).archives:
                data._folder(archive).mkdir(parents=True, exist_ok=True)
        else:
            task = registry.load("tasks", unit.name)
            key = f"{unit.name}-v{task.version}-any"
            tree(cache, {f"prepared/{data._prepared_name(key, Path(unit.sources[-1]), task.archives)}": ""})
    finding = software.task_data()
    is_(finding, Level.OK, "at hand: ")
    assert all(name in finding.found for name in registry.units("tasks"))


def test_data_prepared_by_another_version_of_the_file_is_not_at_hand(cache: Path) -> None:
    tree(cache, {f"prepared/mandarin_initials-v1-{'0' * 12}.safetensors": ""})
    assert "at hand" not in software.task_data().found


@pytest.mark.parametrize(
    ("free_gb", "level", "text"),
    [
        (100.0, Level.OK, "100.0 GB are free"),
        (5.0, Level.WARNING, "need up to 10"),
        (0.5, Level.PROBLEM, "the default grid needs up to 1"),
    ],
)
@pytest.mark.parametrize("check", [software.cache_folder, software.results_folder])
def test_disks(
    check: Callable[[], Finding], free_gb: float, level: Level, text: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(software.shutil, "disk_usage", lambda path: SimpleNamespace(free=free_gb * 1e9))
    is_(check(), level, text)


def test_folders_that_cannot_be_written(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("a file")
    is_(software.cache_folder(), Level.PROBLEM, "cannot be written", "set BREAKEVEN_CACHE")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    is_(software.results_folder(tmp_path / "results"), Level.PROBLEM, "cannot be written", "results=FOLDER")


@pytest.mark.parametrize(
    ("lines", "level", "text"),
    [
        (["# by a tool", f"psutil=={psutil.__version__}", "    # via x==1"], Level.OK, "1 packages as locked"),
        ([f'psutil=={psutil.__version__} ; sys_platform == "linux"'], Level.OK, "1 packages as locked"),
        (["psutil==0.1"], Level.WARNING, f"psutil {psutil.__version__}, locked 0.1 -> make setup"),
        (["not-there==0.1"], Level.WARNING, "not-there missing, locked 0.1"),
        (["torch-not-there==0.1"], Level.PROBLEM, "torch-not-there missing"),
        ([f"not-there-{n}==1" for n in range(7)], Level.WARNING, "and 2 more"),
    ],
)
def test_packages(lines: list[str], level: Level, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "LIBRARIES", ["torch-not-there"])
    is_(software.packages(tree(tmp_path, {"lock": "\n".join(lines)}) / "lock"), level, text)


def test_no_lock_file(tmp_path: Path) -> None:
    is_(software.packages(tmp_path / "none"), Level.NOTE, "cannot be compared")


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "KMP_AFFINITY", "MALLOC_ARENA_MAX", "LD_PRELOAD", "PYTORCH_X"])
def test_variables(name: str) -> None:
    is_(software.variables({"PATH": "x", "ORT_DISABLE_TELEMETRY": "1", "MY_OMP_X": "1"}), Level.OK)
    is_(software.variables({"PATH": "x", name: "7"}), Level.WARNING, f"{name}=7", f"unset {name}")


def shown(checks: list[Callable[[], Finding | None]], width: int) -> tuple[int, str]:
    console = Console(width=width, record=True, file=io.StringIO())
    return doctor.run(console, checks), console.export_text()


def finding(level: Level, remedy: str | None = None) -> Callable[[], Finding]:
    return lambda: Finding(f"check {level}", level, "what [was] found, at some length " * 5, remedy)


def test_only_a_problem_fails() -> None:
    assert shown([finding(Level.OK), finding(Level.NOTE), finding(Level.WARNING, "mend")], 80)[0] == 0
    assert shown([finding(Level.PROBLEM, "mend"), finding(Level.OK)], 80)[0] == 1
    assert shown([], 80)[0] == 0


@pytest.mark.parametrize("width", [80, 200])
def test_remedies_stand_on_lines_of_their_own_the_worst_first(width: int) -> None:
    command = "sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo; " * 3
    checks = [finding(Level.WARNING, command), finding(Level.OK), finding(Level.PROBLEM, "end it"), lambda: None]
    lines = shown(checks, width)[1].rstrip().splitlines()
    assert lines[-4:-2] == ["check problem: end it", f"check warning: {command}"]
    assert lines[-1].startswith("1 problem, 1 warning, 1 ok: mend the problems first")
    assert max(map(len, lines[:-4])) <= min(width, 120)


def test_what_cannot_be_checked_is_a_note_and_bad_input_a_problem() -> None:
    def unreadable() -> Finding:
        raise PermissionError(13, "Permission denied")

    def wrong() -> Finding:
        raise UserError("hardware/mine.yaml: unknown key 'cores'")

    def gone() -> Finding:
        raise psutil.NoSuchProcess(1)

    is_(doctor.look(unreadable), Level.NOTE, "Permission denied")
    is_(doctor.look(gone), Level.NOTE, "cannot be checked here")
    is_(doctor.look(wrong), Level.PROBLEM, "unknown key 'cores'")


@pytest.mark.parametrize("check", doctor.CHECKS, ids=lambda check: check.__name__)
def test_every_check_works_here(check: Callable[[], Finding | None]) -> None:
    found = check()
    if found is not None:
        is_(found, found.level)


def test_it_imports_no_torch() -> None:
    code = "import sys; from breakeven.cli.main import run; print(run(['doctor']) in (0, 1), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["True False"], done.stderr
