"""Every way of training: it says why it cannot serve a profile, or it trains there and every process takes part."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import public_data
import pytest

from breakeven import registry
from breakeven.hardware import HardwareProfile
from breakeven.method import TrainingMethod

METHODS = [u.name for u in registry.units("methods").values() if u.group in ("training", "distributed")]
PROFILES = ["cpu_1", "cpu_2x1"]
# A process of its own, because a rank is forked from one that has computed nothing.
SCRIPT = """
import json, sys
from breakeven import registry, training
task, method, hardware = registry.task(sys.argv[1]), registry.method(sys.argv[2]), registry.hardware(sys.argv[3])
training.start(0, hardware)
model = task.model()
before = [p.detach().clone() for p in model.parameters()]
fit = training.fit(task, model, method, hardware, seed=0, epochs=0.1)
moved = any((a != b).any().item() for a, b in zip(before, model.parameters()))
print(json.dumps({**vars(fit), "moved": moved, "training": model.training}))
"""


def test_training_methods_are_found() -> None:
    assert {"single_device", "ddp"} <= set(METHODS)
    assert all(isinstance(registry.method(name), TrainingMethod) for name in METHODS)


def every_pairing() -> Iterator[tuple[str, str, str]]:
    """One task trains in all ways on all profiles; every other on two processes, the rest is the same for all."""
    for task in registry.units("tasks"):
        for name, profile in product(METHODS, PROFILES) if task == "mandarin_initials" else [("ddp", "cpu_2x1")]:
            yield task, name, profile


@pytest.mark.slow
@pytest.mark.parametrize(("task", "name", "profile"), list(every_pairing()))
def test_it_trains_or_says_why_not(
    task: str, name: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware = registry.hardware(profile)
    task = public_data.supply(task, tmp_path, monkeypatch)
    registry.task(task).prepare()  # of small files that tests make, only this process knows the checksum
    if reason := registry.method(name).unsupported(registry.task(task), hardware):
        assert profile in reason and ": use " in reason
        return
    done = subprocess.run([sys.executable, "-c", SCRIPT, task, name, profile], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fit = json.loads(done.stdout.splitlines()[-1])
    recipe = registry.task(task).recipe
    assert fit["moved"]
    assert not fit["training"]  # back in eval mode
    assert fit["world_size"] == hardware.devices
    assert fit["samples"] == fit["steps"] * recipe.batch_size  # the global batch is the recipe's, however it is split
    assert 0 < fit["train_time_s"] <= fit["wall_s"]
    assert fit["peak_memory_bytes"] > 0
    assert fit["diverged_at_step"] is None


def test_every_profile_is_served_by_some_method() -> None:
    profiles: list[HardwareProfile] = [registry.hardware(name) for name in registry.units("hardware")]
    task = registry.task(next(iter(registry.units("tasks"))))
    for profile in profiles:
        assert any(registry.method(name).unsupported(task, profile) is None for name in METHODS), profile.name
