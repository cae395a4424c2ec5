"""Killed and resumed trainings: they give the same model as an undisturbed training, and their clocks add up."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from breakeven.data.loaders import TensorDataModule
from breakeven.files import file_sha256, write_json
from breakeven.method import TrainingMethod
from breakeven.stages.train.checkpoint import RECORD, Checkpoint
from breakeven.units import registry

TASK, STEPS_OF_AN_EPOCH = "mandarin_initials", 25
METHODS = [name for name in registry.units("methods") if issubclass(registry.load("methods", name), TrainingMethod)]
# Runs each training in a fork of a process that has computed nothing. A training ends before its given step.
SCRIPT = """
import json, multiprocessing, os, signal, sys
from dataclasses import asdict
from pathlib import Path
import torch
from breakeven.stages.train import fit as training
from breakeven.units import registry
from breakeven.stages.train.checkpoint import Checkpoint
from breakeven.errors import CellFailure

def train(kill_at, folder, outcome):
    usual = training.Learner.training_step
    def step(self, batch, index):
        if self.global_step == kill_at and self.global_rank == self.trainer.world_size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, batch, index)
    training.Learner.training_step = step
    training.start(0, hardware)
    model = task.model()
    try:
        fit, _ = training.fit(task, model, method, hardware, 0, epochs, checkpoint=Checkpoint(folder, "this one"))
    except CellFailure as failure:
        assert failure.status == "infra_error" and "rank 1" in failure.reason, failure
        return
    torch.save(model.state_dict(), outcome.with_suffix(".pt"))
    outcome.write_text(json.dumps(asdict(fit)))

task, method, hardware = registry.task(sys.argv[1]), registry.method(sys.argv[2]), registry.hardware(sys.argv[3])
epochs, here = float(sys.argv[4]), Path(sys.argv[5])
fork = multiprocessing.get_context("fork")
for number, kill_at in enumerate(json.loads(sys.argv[6])):
    name = "alone" if number == 0 else "killed"
    process = fork.Process(target=train, args=(kill_at, here / name, here / f"{name}.json"))
    process.start()
    process.join()
"""


def trained(method: str, profile: str, epochs: float, kills: list[int], folder: Path) -> tuple[dict, dict, str]:
    """Records of an undisturbed training and of one that was killed before the steps `kills`; and the log."""
    plan = json.dumps([None, *kills, None])
    command = [sys.executable, "-c", SCRIPT, TASK, method, profile, str(epochs), str(folder), plan]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads((folder / f"{name}.json").read_text()) for name in ("alone", "killed")]
    return *found, done.stderr


def same_model(folder: Path) -> bool:
    alone, killed = (torch.load(folder / f"{name}.pt") for name in ("alone", "killed"))
    return all(torch.equal(alone[name], killed[name]) for name in alone)


# The two values put checkpoints within an epoch, and at the ends of epochs.
@pytest.mark.slow
@pytest.mark.parametrize("epochs", [2.5, 4])
def test_one_process_makes_the_same_model_bit_for_bit(epochs: float, tmp_path: Path) -> None:
    steps = int(epochs * STEPS_OF_AN_EPOCH)
    between = steps // 4
    draw = random.Random(epochs)
    kills = sorted(draw.sample(range(between + 1, steps), 2))
    print("killed before steps", kills)
    alone, killed, log = trained("single_device", "cpu_1", epochs, kills, tmp_path)
    assert same_model(tmp_path)
    assert log.count("goes on from here") == len(kills)
    # A part extends from the checkpoint that it resumed to the one that the next part resumed, if the two differ.
    assert (alone["parts"], killed["parts"]) == (1, 1 + len({kill // between for kill in kills}))
    assert killed["earlier_energy_j"] > 0 == alone["earlier_energy_j"]  # the profile states its watts
    assert killed["train_time_s"] < killed["wall_s"]
    assert (killed["steps"], killed["samples"]) == (alone["steps"], alone["samples"])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_several_processes_go_on_or_start_again(method: str, tmp_path: Path) -> None:
    if registry.method(method).unsupported(registry.task(TASK), registry.hardware("cpu_2x1")):
        pytest.skip("does not train on two processes")
    alone, killed, log = trained(method, "cpu_2x1", 1, [20], tmp_path)
    resumes = registry.method(method).resumes
    assert same_model(tmp_path)
    assert killed["parts"] == 1 + resumes
    assert log.count("goes on from here") == resumes
    assert (killed["steps"], killed["samples"]) == (alone["steps"], alone["samples"])


@pytest.mark.parametrize("given", [0, 3, 14, 15, 16, 30, 44])
def test_a_loader_gives_what_another_would_have_given_next(given: int) -> None:
    samples = torch.arange(1003)
    module = TensorDataModule(*[((samples,), samples)] * 3, batch_size=64, seed=3)
    alone, resumed = module.train_dataloader(), module.train_dataloader()
    expected = [batch for _ in range(4) for _, batch in alone]
    resumed.load_state_dict({"batches": given})
    assert len(resumed) == 15
    found = [batch for _ in range(4 - given // 15) for _, batch in resumed]
    assert all(torch.equal(a, b) for a, b in zip(expected[given:], found, strict=True))
    assert resumed.state_dict() == alone.state_dict() == {"batches": 60}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A checkpoint of a training, with a text as its state."""
    state = tmp_path / "left" / "step=1.ckpt"
    state.parent.mkdir()
    state.write_text("state")
    record = {"file": state.name, "sha256": file_sha256(state), "training": "this one"}
    write_json(record, state.with_name(RECORD))
    return Checkpoint(state.parent, "this one")


def test_a_checkpoint_is_found(checkpoint: Checkpoint, capfd: pytest.CaptureFixture) -> None:
    assert checkpoint.find() == checkpoint.folder / "step=1.ckpt"
    assert "goes on from here" in capfd.readouterr().err


def test_one_of_another_training_is_removed(checkpoint: Checkpoint, capfd: pytest.CaptureFixture) -> None:
    assert replace(checkpoint, training="another").find() is None
    assert "of another training" in capfd.readouterr().err
    assert not checkpoint.folder.exists()


@pytest.mark.parametrize("name", ["step=1.ckpt", RECORD])
@pytest.mark.parametrize("content", ["", "{}", "[]", '{"file": "none", "training": "this one", "sha256": ""}', None])
def test_a_damaged_one_is_removed(
    name: str, content: str | None, checkpoint: Checkpoint, capfd: pytest.CaptureFixture
) -> None:
    if content is None:
        (checkpoint.folder / name).unlink()
    else:
        (checkpoint.folder / name).write_text(content)
    assert checkpoint.find() is None
    assert "ignored and removed, damaged: " in capfd.readouterr().err
    assert not checkpoint.folder.exists()
