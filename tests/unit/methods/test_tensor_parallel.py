"""Tensor parallelism: the split parts of each network, and split networks that learn the same as whole ones."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import timm
import torch
from breakeven.plugins.tasks.nlp import _encoders
from breakeven.plugins.tasks.nlp.package_translation.network import translator
from torch import Tensor, distributed, nn
from transformers import BertConfig, BertModel

from breakeven.components.image_networks import PlainCNN
from breakeven.errors import CellFailure
from breakeven.units import registry

PACKAGE = registry.find("methods", "tensor_parallel").module.rpartition(".")[0]
plan = import_module(f"{PACKAGE}._channel_plan").plan


def bert(heads: int = 2) -> BertModel:
    size = {"hidden_size": 12, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": heads}
    return BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, **size), add_pooling_layer=False)


def vit() -> nn.Module:
    return timm.create_model("test_vit", num_classes=10, in_chans=1, img_size=32, dynamic_img_size=False)


def cnn(name: str) -> nn.Module:
    return timm.create_model(name, num_classes=10, in_chans=1)


def split(model: nn.Module, prefix: str = "") -> dict[str, str]:
    """Return the kind of split for each module whose name has this prefix."""
    found = plan(model, 2).items()
    return {name.removeprefix(prefix): type(style).__name__ for name, style in found if name.startswith(prefix)}


FEED_FORWARD = {"wide": "Columns", "narrow": "Rows"}
BLOCK = {"conv1": "Columns", "bn1": "Slice", "conv2": "Rows"}
INVERTED = {"conv_pw": "Columns", "bn1": "Slice", "conv_dw": "Slice", "bn2": "Slice", "conv_pwl": "Rows"}
PERCEPTRON = {"mlp.fc1": "Columns", "mlp.fc2": "Rows"}
BERT_HEADS = {
    **{"attention.self": "Heads", "attention.self.query": "Slice", "attention.self.key": "Slice"},
    **{"attention.self.value": "Slice", "attention.output.dense": "Rows"},
}
BERT_PERCEPTRON = {"intermediate.dense": "Columns", "output.dense": "Rows"}


@pytest.mark.parametrize(
    ("make", "prefix", "expected"),
    [
        (lambda: PlainCNN(1, 10, 32), "", {"0": "Columns", "3": "Rows", "6": "Columns", "10": "Rows"}),
        (vit, "blocks.5.", {"attn": "Heads", "attn.qkv": "Slice", "attn.proj": "Rows", **PERCEPTRON}),
        (lambda: timm.create_model("vit_tiny_patch16_224"), "blocks.5.", PERCEPTRON),  # three heads, an odd number
        (lambda: cnn("test_resnet"), "layer4.0.", BLOCK),
        (lambda: cnn("tf_efficientnet_lite0"), "blocks.3.1.", INVERTED),
        (bert, "encoder.layer.0.", BERT_HEADS | BERT_PERCEPTRON),
        (lambda: bert(3), "encoder.layer.0.", BERT_PERCEPTRON),
        (lambda: _encoders.transformer(4), "encoder.layers.1.feed_forward.", FEED_FORWARD),
        (translator, "decoders.1.feed_forward.", FEED_FORWARD),
    ],
)
def test_what_is_split(make: Callable[[], nn.Module], prefix: str, expected: dict[str, str]) -> None:
    assert split(make(), prefix) == expected


class Both(nn.Module):
    """A model in which one layer's result goes into two others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(x.relu()) + self.third(x)


class Tied(nn.Module):
    """A model of two layers that uses the first layer's weights once more."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) @ self.first.weight


class Twice(Tied):
    """A model that calls the first of its two layers twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.first(x)))


def shared() -> nn.Module:
    """Make a network with one layer in two places."""
    layer = nn.Linear(4, 4)
    return nn.Sequential(nn.Sequential(layer, nn.ReLU(), nn.Linear(4, 4)), nn.Sequential(nn.LayerNorm(4), layer))


def between(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), *layers, nn.Conv2d(4, 4, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 4)),  # an odd number of channels
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Softmax(-1), nn.Linear(4, 4)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)),  # inputs may have three dimensions
        lambda: nn.Sequential(nn.Linear(4, 8), nn.MaxPool1d(2), nn.Linear(4, 4)),
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4, 4)),  # the linear layer works on the width
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2), nn.Linear(4, 4)),
        lambda: between(nn.GroupNorm(2, 4)),
        lambda: between(nn.Conv2d(4, 4, 3, groups=2)),
        lambda: between(nn.PReLU(4)),
        lambda: between(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3, groups=4))),
        lambda: nn.TransformerEncoderLayer(4, 2, 8),  # has a fast path around its layers
        lambda: _encoders.gru(4),
        *(Both, Tied, Twice, shared),
    ],
)
def test_what_stays_whole(make: Callable[[], nn.Module]) -> None:
    assert split(make()) == {}


@pytest.fixture
def alone() -> Iterator[None]:
    """Run the test in a process group of this process only."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("alone")
def test_a_network_without_anything_to_split_is_refused() -> None:
    with pytest.raises(CellFailure, match=r"divide by 1: use ddp") as caught:
        registry.method("tensor_parallel").distribute(_encoders.gru(4), lambda n: ())
    assert caught.value.status == "unsupported"


def cases() -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Return networks in double precision with their inputs; together they have every part that can be split."""
    torch.manual_seed(0)
    ids, pictures = torch.randint(1, 50, (4, 6)), torch.randn(4, 1, 32, 32, dtype=torch.float64)
    mask = torch.ones_like(ids).index_fill(1, torch.tensor([5]), 0)
    networks = {
        "plain": (PlainCNN(1, 10, 32), (pictures,)),
        "depthwise": (between(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=4)), (pictures,)),
        "inverted": (cnn("mobilenetv3_small_050"), (pictures,)),
        "vit": (vit(), (pictures,)),
        "bert": (bert(), (ids, mask)),
        "steps": (nn.Sequential(nn.Linear(32, 8), nn.GELU(), nn.Linear(8, 3, bias=False)), (pictures,)),
    }
    for network, _ in networks.values():
        for module in network.double().modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return networks


def outputs(network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    found = network(*inputs)
    return found if isinstance(found, Tensor) else found.last_hidden_state


def learn(network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the outputs after two steps of gradient descent."""
    for _ in range(2):
        network.zero_grad()
        outputs(network, inputs).square().mean().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0 if parameter.grad is None else 0.01 * parameter.grad
    with torch.inference_mode():
        return outputs(network.eval(), inputs)


def rank(number: int, processes: int, folder: str) -> None:
    """Run one of several processes that compare split networks with whole ones."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/store", rank=number, world_size=processes)
    method = registry.method("tensor_parallel")
    for name, (network, inputs) in cases().items():
        whole, _ = cases()[name]
        own = sum(p.numel() for p in method.distribute(network, lambda n: ()).parameters())
        assert own < sum(p.numel() for p in whole.parameters()), name
        torch.testing.assert_close(learn(network, inputs), learn(whole, inputs), msg=name)
        state = method.whole_state(network)
        if number == 0:
            torch.testing.assert_close(state, dict(whole.state_dict()), msg=name)
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_a_split_network_learns_what_the_whole_one_does(processes: int, tmp_path: Path) -> None:
    # Run in a separate process, because its children must be forked from a process that has computed nothing.
    done = subprocess.run([sys.executable, __file__, str(processes), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    torch.multiprocessing.start_processes(rank, (int(sys.argv[1]), sys.argv[2]), int(sys.argv[1]), start_method="fork")
