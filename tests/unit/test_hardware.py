"""Profiles that this machine cannot give say why, and give way to nothing else."""

import os
from dataclasses import replace

import pytest

from breakeven import registry
from breakeven.hardware import HardwareProfile, cpu_model
from breakeven.provenance import hardware_fingerprint

ONE = registry.hardware("cpu_1")


def test_what_this_machine_has() -> None:
    assert ONE.missing() is None


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
    assert reason in replace(ONE, **change).missing()


def test_cores_that_this_process_may_not_use_do_not_count() -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("this machine has one core")
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert "needs 2 cores, this process may use 1" in registry.hardware("cpu_2").missing()
    finally:
        os.sched_setaffinity(0, allowed)


def test_no_gpu() -> None:
    import torch

    reason = registry.hardware("cuda_1").missing()
    assert reason is None if torch.cuda.is_available() else "CUDA" in reason


def test_the_fingerprint_is_stable_and_tells_profiles_apart() -> None:
    assert hardware_fingerprint(ONE) == hardware_fingerprint(replace(ONE, name="other", usd_per_hour=9.0))
    prints = {hardware_fingerprint(registry.hardware(name)) for name in ("cpu_1", "cpu_2", "cpu_2x1")}
    assert len(prints) == 3


def test_every_price_has_a_source_and_a_date() -> None:
    for name in registry.units("hardware"):
        profile: HardwareProfile = registry.hardware(name)
        assert profile.usd_per_hour is None or (profile.price_source and profile.price_date)
