"""Compression methods on small models of which the right answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from breakeven import registry
from breakeven.errors import CellFailure
from breakeven.method import CompressionContext
from breakeven.task import Recipe

factorise = import_module(registry.find("methods", "low_rank").module).factorise
IMAGE, TOKENS, HEADS = (1, 12, 12), 8, 2


class Encoder(nn.Module):
    """Two layers of BERT, the mean of its states, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": HEADS}
        self.bert = BertModel(
            BertConfig(vocab_size=50, max_position_embeddings=TOKENS, **size), add_pooling_layer=False
        )
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.bert(input_ids=ids, attention_mask=mask).last_hidden_state.mean(1))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def cnn() -> nn.Sequential:
    """Two convolutions, the second without bias or batch norm after it, and a linear layer."""
    layers = [nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2)]
    model = nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5)).eval()
    model[1].running_mean.normal_()
    return model


def images(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, *IMAGE),)


def tokens(batch: int) -> tuple[Tensor, Tensor]:
    lengths = torch.randint(2, TOKENS + 1, (batch, 1))
    return torch.randint(0, 50, (batch, TOKENS)), (torch.arange(TOKENS) < lengths).long()


def context(inputs=images, fine_tune=None) -> CompressionContext:
    def unused(*_: object) -> Iterator[tuple[Tensor, ...]]:
        raise AssertionError("not to be called here")

    return CompressionContext(
        SimpleNamespace(example_inputs=inputs, recipe=Recipe(epochs=3, batch_size=4, learning_rate=0.1)),
        0,
        fine_tune or unused,
        unused,
    )


def compress(text: str, model: nn.Module, inputs=images, fine_tune=None) -> nn.Module:
    return registry.method(text).compress(model, context(inputs, fine_tune))


def flops(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops()


def prunable(model: nn.Module) -> Tensor:
    return torch.cat([m.weight.detach().flatten() for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))])


@pytest.mark.parametrize("sparsity", [0.25, 0.8])
def test_magnitude_pruning_zeroes_the_smallest_weights_of_the_whole_model(sparsity: float) -> None:
    model = cnn()
    before, after = prunable(model), prunable(compress(f"magnitude_pruning-sparsity={sparsity}-fine_tuning=0", model))
    zeros = after == 0
    assert zeros.sum() == round(sparsity * len(before))
    assert before[zeros].abs().max() <= before[~zeros].abs().min()
    assert torch.equal(after[~zeros], before[~zeros])


def test_magnitude_pruning_holds_the_zeros_through_fine_tuning() -> None:
    asked = []

    def descend(model: nn.Module, epochs: float) -> None:
        asked.append(epochs)
        optimiser = torch.optim.AdamW(model.train().parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            model(*images(4)).square().mean().backward()
            optimiser.step()

    model = cnn()
    untrained = prunable(compress("magnitude_pruning-fine_tuning=0", model))
    trained = prunable(compress("magnitude_pruning-fine_tuning=0.1", model, fine_tune=descend))
    assert asked == [pytest.approx(0.3)]
    assert torch.equal(untrained == 0, trained == 0)
    assert not torch.allclose(untrained, trained)


def test_magnitude_pruning_leaves_plain_modules_behind() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(24, 2)).eval()
    pruned = compress("magnitude_pruning-fine_tuning=0", model)
    assert pruned.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(deepcopy(pruned)(torch.ones(1, 3, 8)), pruned(torch.ones(1, 3, 8)))
    assert (pruned[0].self_attn.in_proj_weight == 0).any()


def test_magnitude_pruning_serves_recurrent_layers() -> None:
    gru = nn.GRU(4, 8, batch_first=True)
    pruned = compress("magnitude_pruning-sparsity=0.5-fine_tuning=0", gru)
    weights = torch.cat([pruned.weight_ih_l0.flatten(), pruned.weight_hh_l0.flatten()])
    assert (weights == 0).sum() == len(weights) // 2
    rebuilt = nn.GRU(4, 8, batch_first=True)
    rebuilt.load_state_dict(pruned.state_dict())
    x = torch.randn(2, 5, 4)
    assert torch.equal(rebuilt(x)[0], pruned(x)[0])


def test_channel_pruning_halves_the_channels_and_keeps_the_outputs() -> None:
    model = cnn()
    pruned = compress("channel_pruning-fine_tuning=0", model)
    assert [pruned[0].out_channels, pruned[3].out_channels, pruned[7].out_features] == [8, 16, 5]
    assert flops(model, images(1)) / flops(pruned, images(1)) == pytest.approx(4, rel=0.25)


def test_channel_pruning_removes_the_channels_that_do_nothing() -> None:
    model = cnn()
    for producer, norm in ((model[0], model[1]), (model[3], None)):
        idle = torch.randperm(producer.out_channels)[: producer.out_channels // 2]
        for parameter in (producer.weight, producer.bias, norm and norm.weight, norm and norm.bias):
            if parameter is not None:
                parameter.data[idle] = 0
        consumer = model[3] if norm else model[7]
        consumer.weight.data[:, idle] = 0
    inputs = images(4)
    torch.testing.assert_close(compress("channel_pruning-fine_tuning=0", model)(*inputs), model(*inputs))


def test_channel_pruning_removes_idle_parts_of_attention_and_feed_forward() -> None:
    model = Encoder().eval()
    for layer in model.bert.encoder.layer:
        attention = layer.attention.self
        for projection in (attention.query, attention.key, attention.value):
            nn.init.normal_(projection.weight)
        idle = torch.arange(16).view(HEADS, -1)[:, torch.randperm(8)[:4]].flatten()  # the same in every head
        _silence(idle, [attention.query, attention.key, attention.value], layer.attention.output.dense)
        _silence(torch.randperm(32)[:16], [layer.intermediate.dense], layer.output.dense)
    pruned, inputs = compress("channel_pruning-fine_tuning=0", model, tokens), tokens(5)
    torch.testing.assert_close(pruned(*inputs), model(*inputs))
    assert pruned.bert.encoder.layer[0].attention.self.attention_head_size == 4
    assert pruned.bert.encoder.layer[1].intermediate.dense.out_features == 16


def _silence(idle: Tensor, producers: list[nn.Linear], consumer: nn.Linear) -> None:
    for producer in producers:
        producer.weight.data[idle] = 0
        producer.bias.data[idle] = 0
    consumer.weight.data[:, idle] = 0


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(12, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x[:, 0])[0][:, -1])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Recurrent(), "recurrent layers"),
        (nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), "no layer has channels to remove"),
        (nn.Sequential(nn.Flatten()), "no layer has channels to remove"),
    ],
)
def test_channel_pruning_refuses_what_it_cannot_prune(model: nn.Module, reason: str) -> None:
    with pytest.raises(CellFailure, match=reason) as failure:
        compress("channel_pruning", model)
    assert failure.value.status == "unsupported"


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(12, 7), (3, 12)),
        (nn.Linear(7, 12, bias=False), (3, 7)),
        (nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, dilation=(1, 2), padding_mode="reflect"), (2, 4, 16, 16)),
    ],
)
def test_full_energy_gives_the_layer_back(layer: nn.Module, inputs: tuple[int, ...]) -> None:
    x = torch.randn(inputs)
    torch.testing.assert_close(factorise(layer, energy=1.0)(x), layer(x), rtol=1e-4, atol=1e-5)


def test_low_rank_finds_the_rank_and_loses_nothing() -> None:
    model = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4)).eval()
    model[0].weight.data = torch.randn(30, 3) @ torch.randn(3, 40)
    thin, x = compress("low_rank-energy=0.99999-fine_tuning=0", model), torch.randn(8, 40)
    assert [factor.out_features for factor in thin[0]] == [3, 30]
    assert isinstance(thin[2], nn.Linear), "a layer that would not get cheaper stays"
    torch.testing.assert_close(thin(x), model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("energy", [0.5, 0.9])
def test_low_rank_drops_no_more_energy_than_asked(energy: float) -> None:
    layer = nn.Conv2d(8, 16, 3)
    first, second = factorise(layer, energy)
    rebuilt = second.weight.flatten(1) @ first.weight.flatten(1)
    weight = layer.weight.flatten(1)
    lost = ((weight - rebuilt).norm() / weight.norm()).square().item()
    assert lost <= 1 - energy + 1e-6
    shorter = second.weight.flatten(1)[:, :-1] @ first.weight.flatten(1)[:-1]
    assert ((weight - shorter).norm() / weight.norm()).square() > 1 - energy, "the rank is the least that does"


def test_low_rank_needs_a_layer_that_gains() -> None:
    with pytest.raises(CellFailure, match="no layer gets cheaper") as failure:
        compress("low_rank-energy=1.0", cnn())
    assert failure.value.status == "unsupported"


@pytest.mark.parametrize("text", ["low_rank-energy=0.5-fine_tuning=0", "int8_dynamic"])
def test_serves_layers_that_torch_would_otherwise_fuse(text: str) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 64, batch_first=True), 2).eval()
    x = torch.randn(2, 5, 16)
    with torch.inference_mode():  # what lets torch take the fused path
        assert compress(text, model)(x).shape == model(x).shape


def test_int8_dynamic_shrinks_the_file(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 8)).eval()
    eager, sizes, x = registry.method("eager"), [], (torch.randn(16, 256),)
    quantised = compress("int8_dynamic", model)
    for number, module in enumerate((model, quantised)):
        eager.export(module, x, tmp_path / f"{number}.pt")
        sizes.append((tmp_path / f"{number}.pt").stat().st_size)
    assert sizes[1] < 0.3 * sizes[0]
    assert (quantised(*x) - model(*x)).norm() < 0.05 * model(*x).norm()


def test_int8_dynamic_needs_a_layer_to_quantise() -> None:
    with pytest.raises(CellFailure, match="no linear, GRU or LSTM"):
        compress("int8_dynamic", nn.Sequential(nn.Conv2d(1, 2, 3)))
