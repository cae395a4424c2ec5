"""Pipelines: cuts of networks, networks that cannot be cut, and stages that learn the same as the whole network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from processes import PATIENCE_S
from torch import Tensor, nn

from breakeven.errors import CellFailure
from breakeven.task import Recipe
from breakeven.units import registry

MODULE = registry.find("methods", "pipeline_parallel").module
registry.load("methods", "pipeline_parallel")
stages = import_module(f"{MODULE.rpartition('.')[0]}._stages")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def places(network: nn.Module, parts: int = 2) -> list[str]:
    return [cut.module for cut in stages.cut(network, (torch.randn(2, 16),), parts)[1]]


class Residual(nn.Module):
    def __init__(self, inner: int) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(16, inner), nn.Linear(inner, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.wide(x).relu())


class Bypassed(nn.Module):
    """A model whose embedding also bypasses the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.encoder = nn.Linear(16, 16), nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        embedded = self.embedding(x)
        return torch.cat([embedded, self.encoder(embedded)], dim=1)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 16), nn.Linear(16, 16)
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).relu())


class Backwards(nn.Module):
    """A model that calls its modules in another order than it makes them, and one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first, self.act = nn.Linear(16, 16), nn.Linear(16, 16), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.last(self.act(self.first(x))))


def test_stages_have_the_same_number_of_operations() -> None:
    layers = [nn.Linear(16, 16) for _ in range(8)]
    assert places(nn.Sequential(*layers)) == ["", "4"]
    assert places(nn.Sequential(*layers), 4) == ["", "2", "4", "6"]


def test_of_places_before_which_the_same_is_done_the_smallest_is_sent() -> None:
    pooled = [nn.Linear(16, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Tanh(), nn.Linear(4, 64)]
    assert places(nn.Sequential(*pooled)) == ["", "3"]


def test_a_residual_block_stays_whole() -> None:
    assert places(nn.Sequential(Residual(24), Residual(64), Residual(16))) == ["", "1"]


def test_a_stage_that_would_write_into_what_it_receives_is_none() -> None:
    assert places(nn.Sequential(nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 16))) == ["", "2"]


def test_the_order_of_calls_counts() -> None:
    assert places(Backwards()) == ["", "last"]


@pytest.mark.parametrize(
    "network",
    [
        Bypassed(),
        Tied(),
        nn.Linear(16, 2),
        nn.Sequential(nn.Linear(16, 16), Residual(256), nn.Linear(16, 2)),
        nn.Tanh(),
    ],
)
def test_what_cannot_be_cut_is_refused(network: nn.Module) -> None:
    with pytest.raises(CellFailure, match=rf"{type(network).__name__} has no place to cut it .*: use ddp") as failure:
        places(network)
    assert failure.value.status == "unsupported"


def test_a_network_that_is_cut_on_trial_stays_as_it_is() -> None:
    network = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 16)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    places(network)
    assert network.training and all(module.training for module in network)
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("micro_batches=5", r"a batch of 128 cannot be split into 5 equal parts \(cpu_2x1\): use micro_batches"),
        ("micro_batches=1-schedule=1f1b", "cpu_2x1 has 2: use micro_batches=2 or more, or schedule=gpipe"),
        ("micro_batches=1", None),
        ("micro_batches=2-schedule=1f1b", None),
    ],
)
def test_micro_batches_have_to_fit(parameters: str, reason: str | None) -> None:
    task = SimpleNamespace(recipe=Recipe(epochs=1, batch_size=128, learning_rate=0.1))
    found = registry.method(f"pipeline_parallel-{parameters}").unsupported(task, registry.hardware("cpu_2x1"))
    assert (found is None) == (reason is None)
    assert reason is None or re.search(reason, str(found))


# Run in a separate process, because ranks must be forked from a process that has computed nothing.
SCRIPT = """
import copy, json, multiprocessing, sys, tempfile
import torch
from torch import distributed, nn
from torch.nn.functional import cross_entropy
from breakeven.units import registry

class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.dense = nn.BatchNorm1d(8), nn.Linear(8, 8)
    def forward(self, states, there):
        return states + self.dense(self.norm(states.transpose(1, 2)).transpose(1, 2)).tanh() * there

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.layers = nn.ModuleList(Layer() for _ in range(4))
        self.last = nn.Linear(8, 3)
    def forward(self, ids):
        there = (ids > 0).unsqueeze(-1).float()
        states = self.embedding(ids)
        for layer in self.layers:
            states = layer(states, there)
        return self.last((states * there).sum(1) / there.sum(1))

def batch(length, samples=12):
    ids = torch.randint(1, 20, (samples, length))
    ids[::2, length // 2 :] = 0
    return ids, torch.randint(0, 3, (samples,))

def run(rank, meeting, pipe, text):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    torch.manual_seed(0)
    method, network = registry.method(text), Tagger()
    whole = copy.deepcopy(network)
    model = method.distribute(network, lambda n: (batch(6, n)[0],))
    apart = 0.0
    for length in (5, 7, 5):  # texts of several lengths
        ids, target = batch(length)
        model.zero_grad()
        whole.zero_grad()
        loss = method.gradients(model, (ids,), target, cross_entropy)
        expected = torch.zeros(())
        for x, y in zip(ids.chunk(method.micro_batches), target.chunk(method.micro_batches)):
            part = cross_entropy(whole(x), y) / method.micro_batches
            part.backward()
            expected += part.detach()
        grads = {name: p.grad for name, p in whole.named_parameters()}
        own = model.stage.network.named_parameters()
        apart = max([apart, (loss - expected).abs().item(), *((p.grad - grads[n]).abs().max().item() for n, p in own)])
    names = [name for name, _ in model.stage.network.named_parameters()]
    state, wanted = method.whole_state(model), whole.state_dict()
    odd = batch(9, 5)[0]
    outputs = [m.eval()(odd) for m in (model, whole)]
    pipe.send({
        "apart": apart,
        "names": names,
        "outputs": torch.equal(*outputs),
        "state": rank != 0 or state.keys() == wanted.keys() and all(torch.equal(state[n], wanted[n]) for n in wanted),
        "drawn": torch.rand(()).item(),
    })
    distributed.destroy_process_group()

fork = multiprocessing.get_context("fork")
with tempfile.TemporaryDirectory() as folder:
    pipes = [fork.Pipe() for _ in range(2)]
    ranks = [fork.Process(target=run, args=(r, folder + "/meeting", pipes[r][1], sys.argv[1])) for r in range(2)]
    for process in ranks:
        process.start()
    for _, there in pipes:
        there.close()
    found = [here.recv() for here, _ in pipes]
    for process in ranks:
        process.join()
print(json.dumps({"ranks": found, "all": [name for name, _ in Tagger().named_parameters()]}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
def test_stages_learn_what_the_whole_network_would_of_micro_batches(schedule: str) -> None:
    text = f"pipeline_parallel-micro_batches=3-schedule={schedule}"
    done = subprocess.run([sys.executable, "-c", SCRIPT, text], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    first, second = found["ranks"]
    assert sorted(first["names"] + second["names"]) == sorted(found["all"])  # each rank has only its own parameters
    assert first["names"] and second["names"]
    assert max(first["apart"], second["apart"]) < 1e-6
    assert first["outputs"] and second["outputs"]  # for a batch without equal parts, in both processes
    assert first["state"]
    assert first["drawn"] == second["drawn"]  # the random state from which data are drawn
