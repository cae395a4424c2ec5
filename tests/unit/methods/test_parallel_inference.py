"""Models served by several processes give one process's outputs, and no process fails, hangs or stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from breakeven.plugins.tasks.nlp.movie_sentiment import network
from processes import gone
from torch import Tensor, nn

from breakeven.components import serving_ranks
from breakeven.components.image_networks import PlainCNN
from breakeven.errors import CellFailure
from breakeven.units import registry

RUNTIMES = ["data_parallel_inference", "tensor_parallel_inference", "pipeline_inference"]
TWO = registry.hardware("cpu_2x1")
FOUR = replace(TWO, devices=4)


Started = Callable[[], list[psutil.Process]]


@pytest.fixture(autouse=True)
def started() -> Iterator[Started]:
    """Yield a function that lists the processes the test has started, and check that none remains."""
    earlier = set(psutil.Process().children())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # forks of this process may compute
    torch.manual_seed(0)

    def found() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child not in earlier]

    yield found
    torch.set_num_threads(threads)
    assert not found()


def pictures(batch: int) -> tuple[Tensor, ...]:
    return (torch.randn(batch, 1, 32, 32),)


def texts(batch: int) -> tuple[Tensor, ...]:
    """Make texts of another length for every batch, some shorter than the rest."""
    length = batch + 7
    return torch.randint(5, 50, (batch, length)), (torch.arange(length) < torch.randint(3, length, (batch, 1))).long()


def deep() -> nn.Module:
    return nn.Sequential(*(module for _ in range(8) for module in (nn.Linear(32, 32), nn.Tanh())))


MODELS = {
    "plain_cnn": (lambda: PlainCNN(1, 10, 32), pictures, TWO),
    "bert": (network.small, texts, TWO),
    "deep": (deep, pictures, FOUR),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", RUNTIMES)
def test_processes_give_what_one_does_at_any_batch_size(
    name: str, model: str, tmp_path: Path, started: Started
) -> None:
    make, inputs, hardware = MODELS[model]
    module, runtime = make().eval(), registry.method(name)
    runtime.export(module, inputs(2), tmp_path / "model")
    call = runtime.load(tmp_path / "model", hardware)
    assert len(started()) == hardware.devices - 1
    for batch in (1, 2, 9, 1, 32):
        given = inputs(batch)
        found = call(*given)
        torch.testing.assert_close(found, module(*given).detach(), rtol=1e-4, atol=1e-5)
        assert not found.requires_grad


class Delicate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if (x < 0).any():
            raise ValueError("less than nothing")
        return x * 2


def served(tmp_path: Path, started: Started) -> tuple[Callable[..., Tensor], psutil.Process]:
    """Serve a model by two processes with half a batch each; return the model and the second process."""
    runtime = registry.method("data_parallel_inference")
    runtime.export(Delicate(), (), tmp_path / "model")
    call = runtime.load(tmp_path / "model", TWO)
    assert call(torch.ones(2, 1)).tolist() == [[2], [2]]
    (other,) = started()
    return call, other


def test_a_killed_process_is_named(tmp_path: Path, started: Started) -> None:
    call, other = served(tmp_path, started)
    other.kill()
    with pytest.raises(CellFailure, match=r"process of rank 1 was ended from outside \(SIGKILL\)") as caught:
        call(torch.ones(2, 1))
    assert caught.value.status in ("infra_error", "out_of_memory")


def test_a_process_that_hangs_is_named_in_time(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, other = served(tmp_path, started)
    other.suspend()
    monkeypatch.setattr(serving_ranks, "TIMEOUT_S", 0.1)
    with pytest.raises(CellFailure, match=r"rank 1 has sent nothing for 0\.1 s") as caught:
        call(torch.ones(2, 1))
    assert caught.value.status == "timeout"


def test_a_process_that_fails_says_why(tmp_path: Path, started: Started, capfd: pytest.CaptureFixture) -> None:
    call, _ = served(tmp_path, started)
    with pytest.raises(CellFailure, match="rank 1: ValueError: less than nothing"):
        call(torch.tensor([[1.0], [-1.0]]))
    assert "Traceback" in capfd.readouterr().err


def test_a_message_without_room_is_refused(tmp_path: Path, started: Started) -> None:
    call, _ = served(tmp_path, started)
    with pytest.raises(CellFailure, match="that fit: use a smaller batch"):
        call(torch.ones(2, 1).expand(2, serving_ranks.ROOM_BYTES // 4 + 1))


def test_no_process_outlives_the_one_that_is_asked(tmp_path: Path, started: Started) -> None:
    def ask() -> None:
        call, other = served(tmp_path, started)
        theirs.send(other.pid)
        theirs.recv()
        del call

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=ask)
    process.start()
    pid = ours.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert gone(pid)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("profile", ["cpu_1", "cpu_2", "cpu_2x1_200mbit", "cuda_1"])
def test_what_has_no_processes_with_a_memory_in_common_is_refused(name: str, profile: str) -> None:
    runtime = registry.method(name)
    reason = runtime.unsupported(None, registry.hardware(profile))  # type: ignore[arg-type]
    assert profile in reason and ": use " in reason
    assert runtime.unsupported(None, TWO) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tensor_parallel_inference", "pipeline_inference"])
def test_a_network_that_cannot_be_split_is_refused(name: str, tmp_path: Path) -> None:
    runtime = registry.method(name)
    runtime.export(nn.Sequential(nn.Linear(3, 3)), (torch.ones(2, 3),), tmp_path / "model")
    with pytest.raises(CellFailure, match="use ") as caught:
        runtime.load(tmp_path / "model", TWO)
    assert caught.value.status == "unsupported"
