"""A profile that this machine cannot provide is refused with a reason, and never replaced."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from breakeven.hardware import HardwareProfile
from breakeven.machine import limits
from breakeven.machine.limits import Gpu, cgroup_cores, cgroup_memory_bytes, cpu_model, missing
from breakeven.units import registry

ONE, CUDA = registry.hardware("cpu_1"), registry.hardware("cuda_1")
GIB = 2**30


def test_what_this_machine_has() -> None:
    assert missing(ONE) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threads": 10_000}, "needs 10000 cores"),
        ({"devices": 10_000}, "needs 10000 cores"),
        ({"memory_gib": 1e6}, "GiB of memory"),
        ({"nodes": 2}, "needs 2 nodes"),
        ({"device_pattern": "Abacus"}, f"'Abacus' does not match the device found, '{cpu_model()}'"),
    ],
)
def test_what_it_lacks(change: dict, reason: str) -> None:
    assert reason in missing(replace(ONE, **change))


def test_cores_that_this_process_may_not_use_do_not_count() -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("this machine has one core")
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert "needs 2 cores, this process may use 1" in missing(registry.hardware("cpu_2"))
    finally:
        os.sched_setaffinity(0, allowed)


def test_no_gpu() -> None:
    import torch

    reason = missing(registry.hardware("cuda_1"))
    assert reason is None if torch.cuda.is_available() else "CUDA" in reason


@pytest.mark.parametrize(
    ("gpus", "reason"),
    [
        ([], "nvidia-smi shows 0: check it and the driver"),
        ([Gpu("Tesla T4", 4.0, "570")], "needs 8 GiB on the GPU, Tesla T4 has 4.0: use a GPU with more"),
        ([Gpu("Abacus", 80.0, "570")], "does not match the device found, 'Abacus': run on that device"),
    ],
)
def test_a_gpu_that_does_not_do(gpus: list[Gpu], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "gpus_found", lambda: gpus)
    assert reason in missing(CUDA)


def test_a_gpu_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "gpus_found", lambda: [Gpu("NVIDIA H100", 80.0, "570")])
    assert missing(CUDA) is None


class Groups:
    """Simulates control groups as the kernel's files show them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.own = folder / "cgroup", folder / "self"
        monkeypatch.setattr(limits, "CGROUP", self.root)
        monkeypatch.setattr(limits, "OWN_CGROUP", self.own)
        self.put()

    def put(self, own: str = "", **files: str) -> None:
        """Write files of groups by their paths; `__` stands for a slash and `_DOT_` for a dot."""
        self.own.write_text(own)
        for name, content in files.items():
            path = self.root / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    return Groups(tmp_path, monkeypatch)


def test_no_control_groups(groups: Groups) -> None:
    assert cgroup_cores() is cgroup_memory_bytes() is None
    groups.own.unlink()
    assert cgroup_cores() is cgroup_memory_bytes() is None


def test_version_2(groups: Groups) -> None:
    groups.put("0::/jobs", jobs__cpu_DOT_max="150000 100000", jobs__memory_DOT_max=str(4 * GIB))
    assert (cgroup_cores(), cgroup_memory_bytes()) == (1.5, 4 * GIB)
    groups.put("0::/jobs", jobs__cpu_DOT_max="max 100000", jobs__memory_DOT_max="max")
    assert cgroup_cores() is cgroup_memory_bytes() is None


def test_version_2_the_tightest_of_nested_groups_counts(groups: Groups) -> None:
    groups.put(
        "0::/a/b",
        a__cpu_DOT_max="100000 100000",
        a__b__cpu_DOT_max="300000 100000",
        a__memory_DOT_max=str(8 * GIB),
        a__b__memory_DOT_max=str(2 * GIB),
        other__cpu_DOT_max="10000 100000",
    )
    assert (cgroup_cores(), cgroup_memory_bytes()) == (1.0, 2 * GIB)


V1 = "9:name=systemd:/x\n4:memory:/a/b\n2:cpu,cpuacct:/a\n0::/\n"


def test_version_1(groups: Groups) -> None:
    groups.put(
        V1,
        cpu__a__cpu_DOT_cfs_quota_us="50000",
        cpu__a__cpu_DOT_cfs_period_us="100000",
        memory__a__memory_DOT_limit_in_bytes=str(3 * GIB),
        memory__a__b__memory_DOT_limit_in_bytes="9223372036854771712",
    )
    assert (cgroup_cores(), cgroup_memory_bytes()) == (0.5, 3 * GIB)
    groups.put(V1, cpu__a__cpu_DOT_cfs_quota_us="-1", memory__a__memory_DOT_limit_in_bytes="9223372036854771712")
    assert cgroup_cores() is cgroup_memory_bytes() is None


def test_a_container_sees_its_own_group_as_the_root(groups: Groups) -> None:
    """The path is the host's, but the files are the container's."""
    groups.put(
        "4:memory:/docker/0a1b\n2:cpu,cpuacct:/docker/0a1b\n",
        cpu__cpu_DOT_cfs_quota_us="100000",
        cpu__cpu_DOT_cfs_period_us="100000",
        memory__memory_DOT_limit_in_bytes=str(GIB),
    )
    assert (cgroup_cores(), cgroup_memory_bytes()) == (1.0, GIB)


def test_a_quota_and_a_memory_limit_are_what_this_process_may_use(groups: Groups) -> None:
    groups.put("0::/", cpu_DOT_max="50000 100000", memory_DOT_max=str(8 * GIB))
    assert missing(ONE) == "needs 1 cores, this process may use 0.5: run on a larger machine"
    groups.put("0::/", cpu_DOT_max="max 100000", memory_DOT_max=str(GIB))
    assert missing(ONE) == "needs 3 GiB of memory, this process may use 1.0: run on a larger machine"


def test_every_price_has_a_source_and_a_date() -> None:
    for name in registry.units("hardware"):
        profile: HardwareProfile = registry.hardware(name)
        assert profile.usd_per_hour is None or (profile.price_source and profile.price_date)
