"""Every training method: it gives a reason not to support a profile, or it trains there with every process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import public_data
import pytest
import torch

from breakeven.hardware import HardwareProfile
from breakeven.machine import link
from breakeven.method import TrainingMethod
from breakeven.units import registry

METHODS = [name for name in registry.units("methods") if issubclass(registry.load("methods", name), TrainingMethod)]
PROFILES = ["cpu_1", "cpu_2x1"]
PARAMETERS = ["ddp-sent=powersgd", "ddp-bucket_mib=0.1", "fsdp-reshard=False", "local_sgd-together=0-every=2"]
PARAMETERS += ["pipeline_parallel-schedule=1f1b"]
# Runs in its own process, because a rank must be forked from one that has computed nothing.
SCRIPT = """
import json, sys
from breakeven.stages.train import fit as training
from breakeven.units import registry
task, method, hardware = registry.task(sys.argv[1]), registry.method(sys.argv[2]), registry.hardware(sys.argv[3])
training.start(0, hardware)
model = task.model()
before = [p.detach().clone() for p in model.parameters()]
fit, _ = training.fit(task, model, method, hardware, seed=0, epochs=0.1)
moved = any((a != b).any().item() for a, b in zip(before, model.parameters()))
print(json.dumps({**vars(fit), "moved": moved, "training": model.training}))
"""


# Trains the plain network, without batch normalisation and dropout, and saves its outputs for some pictures.
OUTCOME = """
import sys, torch
from breakeven.stages.train import fit as training
from breakeven.units import registry
task, method, hardware = registry.task(sys.argv[1]), registry.method(sys.argv[2]), registry.hardware(sys.argv[3])
training.start(0, hardware)
model = task.model()
before = model(*task.example_inputs(64)).detach()
fit, _ = training.fit(task, model, method, hardware, seed=0, epochs=0.02, learning_rate=1e-3)
sent = (fit.communicated_bytes or 0) / fit.steps / sum(p.numel() * p.element_size() for p in model.parameters())
torch.save((before, model(*task.example_inputs(64)).detach(), sent), sys.argv[4])
"""
# Methods with the same batches and gradients as one process, except for rounding. The number is the data that two
# processes send in a step, in model sizes: gradients one way and back, then parameters. FSDP and stage 3 of ZeRO send
# parameters twice, and gradients both ways too, since gloo scatters a sum by sending all of it to everyone. None: the
# method sends activations.
SENT = {"ddp": 2, "ddp-sent=float16": 1, "zero1": 3, "fsdp": 4, "tensor_parallel": None, "pipeline_parallel": None}
SENT |= {"deepspeed-stage=1": 3, "deepspeed-stage=3": 4}
NEAR = 0.05  # share of the learnt change: AdamW turns rounding errors of gradients near 0 into steps


def test_training_methods_are_found() -> None:
    assert {"single_device", "ddp"} <= set(METHODS)
    for method in map(registry.method, METHODS):
        assert isinstance(method, TrainingMethod)
        assert method.data_partition and method.model_partition


def every_pairing() -> Iterator[tuple[str, str, str]]:
    """List one task with all methods and profiles, and every other with two processes: the rest is the same for all."""
    for task in registry.units("tasks"):
        for name, profile in product(METHODS, PROFILES) if task == "mandarin_initials" else [("ddp", "cpu_2x1")]:
            yield task, name, profile
    yield from (("mandarin_initials", name, "cpu_2x1") for name in PARAMETERS)
    yield "mandarin_initials", "ddp", "cpu_2x1_200mbit"


@pytest.mark.slow
@pytest.mark.parametrize(("task", "name", "profile"), list(every_pairing()))
def test_it_trains_or_says_why_not(
    task: str, name: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware = registry.hardware(profile)
    task = public_data.supply(task, tmp_path, monkeypatch)
    registry.task(task).prepare()  # only this process knows the checksums of the small files that the tests write
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
    assert fit["samples"] == fit["steps"] * recipe.batch_size  # any split keeps the recipe's global batch size
    assert 0 < fit["train_time_s"] <= fit["wall_s"]
    assert fit["peak_memory_bytes"] > 0 and fit["grown_bytes"] >= fit["rank_grown_bytes"] > 0
    counted = hardware.devices > 1 and link.unavailable() is None
    assert (fit["communicated_bytes"] is not None) == counted
    assert not counted or fit["communicated_bytes"] > 0
    assert fit["diverged_at_step"] is None


def test_every_profile_is_served_by_some_method() -> None:
    profiles: list[HardwareProfile] = [registry.hardware(name) for name in registry.units("hardware")]
    task = registry.task(next(iter(registry.units("tasks"))))
    for profile in profiles:
        assert any(registry.method(name).unsupported(task, profile) is None for name in METHODS), profile.name


def outcome(method: str, profile: str, path: Path) -> tuple[torch.Tensor, torch.Tensor, float]:
    command = [sys.executable, "-c", OUTCOME, "fashion_mnist-network=plain_cnn", method, profile, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.load(path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.Tensor, torch.Tensor, float]:
    return outcome("single_device", "cpu_1", tmp_path_factory.mktemp("alone") / "outputs.pt")


@pytest.mark.slow
@pytest.mark.parametrize("method", SENT)
def test_several_processes_learn_what_one_does(
    method: str, alone: tuple[torch.Tensor, torch.Tensor, float], tmp_path: Path
) -> None:
    task, hardware = registry.task("fashion_mnist-network=plain_cnn"), registry.hardware("cpu_2x1")
    if reason := registry.method(method).unsupported(task, hardware):
        pytest.skip(reason)
    before, expected, _ = alone
    start, found, sent = outcome(method, "cpu_2x1", tmp_path / "outputs.pt")
    assert torch.equal(start, before)
    apart, learnt = (found - expected).norm(), (expected - before).norm()
    print(f"{method}: {apart / learnt:.2e} apart, {sent:.2f} times the model sent in a step")
    assert apart < NEAR * learnt
    if SENT[method] is not None and link.unavailable() is None:
        assert sent == pytest.approx(SENT[method], rel=0.15)  # TCP adds some bytes
