"""Compression methods on small models with a known right answer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext
from breakeven.stages.train.fit import zeros_held
from breakeven.task import Recipe
from breakeven.units import registry

k_means = import_module(registry.find("methods", "weight_sharing").module).k_means
IMAGE, TOKENS, HEADS = (1, 12, 12), 8, 2


class Encoder(nn.Module):
    """A model of two BERT layers, the mean of their states, and a linear layer."""

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
    """Make two convolutions, the second without bias and without batch norm after it, and a linear layer."""
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

    def samples(number: int) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        yield inputs(number), torch.randint(0, 3, (number,))

    recipe = Recipe(epochs=3, batch_size=4, learning_rate=0.1)
    task = SimpleNamespace(example_inputs=inputs, lengths=None, recipe=recipe, loss=nn.CrossEntropyLoss())
    return CompressionContext(task, 0, fine_tune or unused, samples, unused)


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


class Descent:
    """Simulates fine-tuning in a few steps with zeros held, and records its arguments."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, dict]] = []
        self.models: list[nn.Module] = []

    def __call__(self, model: nn.Module, epochs: float, **how: object) -> None:
        self.asked.append((epochs, how))
        self.models.append(deepcopy(model))
        optimiser = torch.optim.AdamW(model.train().parameters(), lr=0.1)
        with zeros_held(model):
            for _ in range(3):
                optimiser.zero_grad()
                model(*images(4)).square().mean().backward()
                optimiser.step()


def test_magnitude_pruning_holds_the_zeros_through_fine_tuning() -> None:
    model, descent = cnn(), Descent()
    untrained = prunable(compress("magnitude_pruning-fine_tuning=0", model))
    trained = prunable(compress("magnitude_pruning-fine_tuning=0.1", model, fine_tune=descent))
    assert descent.asked == [(pytest.approx(0.3), {})]
    assert torch.equal(untrained == 0, trained == 0)
    assert not torch.allclose(untrained, trained)


def test_magnitude_pruning_goes_on_by_turns_that_share_the_epochs() -> None:
    model, descent = cnn(), Descent()
    pruned = compress("magnitude_pruning-sparsity=0.8-fine_tuning=0.2-iterations=2", model, fine_tune=descent)
    assert [epochs for epochs, _ in descent.asked] == [pytest.approx(0.3)] * 2
    zeros = [prunable(stage) == 0 for stage in (*descent.models, pruned)]
    assert [z.float().mean().item() for z in zeros] == pytest.approx([0.7, 0.8, 0.8], abs=1e-3)  # 0.8 (1 − 0.5³) = 0.7
    assert not (zeros[0] & ~zeros[1]).any(), "what is zero stays zero"


def test_magnitude_pruning_leaves_plain_modules_behind() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(24, 2)).eval()
    pruned = compress("magnitude_pruning-fine_tuning=0", model)
    assert pruned.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(deepcopy(pruned)(torch.ones(1, 3, 8)), pruned(torch.ones(1, 3, 8)))
    assert (pruned[0].self_attn.in_proj_weight == 0).any()
    assert (pruned[0].self_attn.out_proj.weight == 0).any()


def test_magnitude_pruning_serves_recurrent_layers() -> None:
    gru = nn.GRU(4, 8, batch_first=True)
    pruned = compress("magnitude_pruning-sparsity=0.5-fine_tuning=0", gru)
    weights = torch.cat([pruned.weight_ih_l0.flatten(), pruned.weight_hh_l0.flatten()])
    assert (weights == 0).sum() == len(weights) // 2
    rebuilt = nn.GRU(4, 8, batch_first=True)
    rebuilt.load_state_dict(pruned.state_dict())
    x = torch.randn(2, 5, 4)
    assert torch.equal(rebuilt(x)[0], pruned(x)[0])


every_importance = pytest.mark.parametrize("importance", ["l1", "l2", "taylor"])


def test_channel_pruning_halves_the_channels_and_keeps_the_outputs() -> None:
    model = cnn()
    pruned = compress("channel_pruning-fine_tuning=0", model)
    assert [pruned[0].out_channels, pruned[3].out_channels, pruned[7].out_features] == [8, 16, 5]
    assert flops(model, images(1)) / flops(pruned, images(1)) == pytest.approx(4, rel=0.25)


@every_importance
def test_channel_pruning_removes_the_channels_that_do_nothing(importance: str) -> None:
    model = cnn()
    for producer, norm in ((model[0], model[1]), (model[3], None)):
        idle = torch.randperm(producer.out_channels)[: producer.out_channels // 2]
        for parameter in (producer.weight, producer.bias, norm and norm.weight, norm and norm.bias):
            if parameter is not None:
                parameter.data[idle] = 0
        consumer = model[3] if norm else model[7]
        consumer.weight.data[:, idle] = 0
    inputs = images(4)
    pruned = compress(f"channel_pruning-importance={importance}-fine_tuning=0", model)
    torch.testing.assert_close(pruned(*inputs), model(*inputs))
    assert all(parameter.grad is None for parameter in (*pruned.parameters(), *model.parameters()))


@every_importance
def test_channel_pruning_removes_idle_parts_of_attention_and_feed_forward(importance: str) -> None:
    model = Encoder().eval()
    for layer in model.bert.encoder.layer:
        attention = layer.attention.self
        for projection in (attention.query, attention.key, attention.value):
            nn.init.normal_(projection.weight)
        idle = torch.arange(16).view(HEADS, -1)[:, torch.randperm(8)[:4]].flatten()  # the same units in every head
        _silence(idle, [attention.query, attention.key, attention.value], layer.attention.output.dense)
        _silence(torch.randperm(32)[:16], [layer.intermediate.dense], layer.output.dense)
    pruned = compress(f"channel_pruning-importance={importance}-fine_tuning=0", model, tokens)
    inputs = tokens(5)
    torch.testing.assert_close(pruned(*inputs), model(*inputs))
    assert pruned.bert.encoder.layer[0].attention.self.attention_head_size == 4
    assert pruned.bert.encoder.layer[1].intermediate.dense.out_features == 16


def _silence(idle: Tensor, producers: list[nn.Linear], consumer: nn.Linear) -> None:
    for producer in producers:
        producer.weight.data[idle] = 0
        producer.bias.data[idle] = 0
    consumer.weight.data[:, idle] = 0


@pytest.mark.parametrize("scope", ["layer", "model"])
def test_channel_pruning_removes_whole_heads(scope: str) -> None:
    size = {"img_size": 8, "patch_size": 4, "embed_dim": 24, "num_heads": 4, "depth": 2}
    model = timm.models.VisionTransformer(in_chans=1, num_classes=3, **size).eval()
    for block in model.blocks:
        nn.init.normal_(block.attn.qkv.weight)
        idle = torch.arange(24).view(4, 6)[torch.randperm(4)[:2]].flatten()
        _silence(torch.cat([idle, idle + 24, idle + 48]), [block.attn.qkv], nn.Linear(72, 1))
        block.attn.proj.weight.data[:, idle] = 0
        block.mlp.fc1.weight.data[:48] = block.mlp.fc1.bias.data[:48] = 0
        block.mlp.fc2.weight.data[:, :48] = 0

    def inputs(batch: int) -> tuple[Tensor]:
        return (torch.randn(batch, 1, 8, 8),)

    pruned, x = compress(f"channel_pruning-heads=number-scope={scope}-fine_tuning=0", model, inputs), inputs(5)
    assert [(block.attn.num_heads, block.attn.head_dim) for block in pruned.blocks] == [(2, 6)] * 2
    if scope == "layer":  # one threshold for the model takes other channels: norms differ between layers
        torch.testing.assert_close(pruned(*x), model(*x))


def test_channel_pruning_by_one_threshold_takes_more_where_there_is_less() -> None:
    model = cnn()
    model[0].weight.data[4:] *= 1e-3  # 12 of 16 channels, and none of the next layer's 32
    model[1].weight.data[4:] = 1e-3
    model[3].weight.data[:, 4:] *= 1e-3
    pruned = compress("channel_pruning-ratio=0.25-scope=model-fine_tuning=0", model)
    assert [pruned[0].out_channels, pruned[3].out_channels] == [4, 32]


def test_channel_pruning_rounds_to_what_kernels_like() -> None:
    pruned = compress("channel_pruning-ratio=0.3-round_to=8-fine_tuning=0", cnn())
    assert [pruned[0].out_channels, pruned[3].out_channels] == [8, 16]


def test_channel_pruning_learns_from_the_model_as_it_was() -> None:
    model, descent = cnn(), Descent()
    compress("channel_pruning-fine_tuning=0.1-teacher=True-rate=1.0", model, fine_tune=descent)
    [(epochs, how)] = descent.asked
    assert (epochs, how["rate"]) == (pytest.approx(0.3), 1.0)
    teacher, x = how["teaching"].teacher, images(2)
    assert teacher is not model
    torch.testing.assert_close(teacher(*x), model(*x))


RNNS = [(kind, layers, both) for kind in (nn.GRU, nn.LSTM) for layers in (1, 3) for both in (False, True)]


class Recurrent(nn.Module):
    """A recurrent layer over the rows of an image, half of its units idle, and a linear layer on the last state."""

    def __init__(self, kind: type[nn.RNNBase] = nn.GRU, layers: int = 1, both: bool = False) -> None:
        super().__init__()
        self.rnn = kind(12, 8, layers, bidirectional=both, batch_first=True)
        self.head = nn.Linear(16 if both else 8, 3)
        idle: list[Tensor] = []
        for weights in self.rnn.all_weights:  # per layer and direction: input weights, state weights, and their biases
            units = torch.randperm(8)[:4]
            for weight in weights:
                weight.data.view(-1, 8, *weight.shape[1:])[:, units] = 0  # in all gates
            weights[1].data[:, units] = 0
            idle.append(units)
        directions = 2 if both else 1
        for number, weights in enumerate(self.rnn.all_weights[directions:]):
            for direction in range(directions):
                below = idle[number // directions * directions + direction]
                weights[0].data[:, below + 8 * direction] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x[:, 0])[0][:, -1])


def tensors(found: object) -> list[Tensor]:
    """Return the tensors of a recurrent layer's result, in order."""
    if isinstance(found, Tensor):
        return [found]
    return [x for part in found for x in tensors(part)] if isinstance(found, tuple) else []


@pytest.mark.parametrize(("kind", "layers", "both"), RNNS)
@every_importance
def test_channel_pruning_removes_idle_hidden_units(kind, layers: int, both: bool, importance: str) -> None:
    model = Recurrent(kind, layers, both).eval()
    pruned, x = compress(f"channel_pruning-importance={importance}-fine_tuning=0", model), images(5)
    assert pruned.rnn.layer.hidden_size == 4 and isinstance(pruned.rnn.layer, kind)
    torch.testing.assert_close(pruned(*x), model(*x))
    packed = pack_padded_sequence(x[0][:, 0], torch.tensor([3, 12, 1, 7, 7]), batch_first=True, enforce_sorted=False)
    found = pruned.rnn(packed)
    assert isinstance(found[0], PackedSequence)
    for ours, theirs in zip(tensors(found), tensors(model.rnn(packed)), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_pruned_recurrent_layers_take_states_and_survive_a_file(kind, tmp_path: Path) -> None:
    model = Recurrent(kind, 2, True).eval()
    pruned = compress("channel_pruning-fine_tuning=0", model)
    torch.save(deepcopy(pruned), tmp_path / "model.pt")
    again, x = torch.load(tmp_path / "model.pt", weights_only=False).rnn, images(5)[0][:, 0]
    first, rest = x[:, :4], x[:, 4:]
    found, expected = again(rest, again(first)[1]), model.rnn(rest, model.rnn(first)[1])
    assert not torch.allclose(expected[0], model.rnn(rest)[0]), "the states count"
    for ours, theirs in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_recurrent_layer_in_two_places_stays_one() -> None:
    layer = Recurrent().rnn
    model = nn.ModuleDict({"a": layer, "b": layer, "c": nn.Linear(3, 3)})
    pruned = compress("channel_pruning-fine_tuning=0", model)
    assert pruned["a"] is pruned["b"] is not layer


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.RNN(4, 8), "no layer has channels to remove"),
        (nn.GRU(4, 1), "no layer has channels to remove"),
        (nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), "no layer has channels to remove"),
        (nn.Sequential(nn.Flatten()), "no layer has channels to remove"),
    ],
)
def test_channel_pruning_refuses_what_it_cannot_prune(model: nn.Module, reason: str) -> None:
    with pytest.raises(CellFailure, match=reason) as failure:
        compress("channel_pruning", model)
    assert failure.value.status == "unsupported"


def test_int8_dynamic_serves_layers_that_torch_would_otherwise_fuse() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 64, batch_first=True), 2).eval()
    x = torch.randn(2, 5, 16)
    with torch.inference_mode():  # in this mode torch can take the fused path
        assert compress("int8_dynamic", model)(x).shape == model(x).shape


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


def test_semi_structured_pruning_keeps_the_two_largest_of_every_four_inputs() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 8 * 8, 6), nn.Linear(6, 3)
    )
    descent = Descent()
    pruned = compress("semi_structured_pruning-fine_tuning=0.1", model.eval(), fine_tune=descent)
    for before, cut, after in zip(model, descent.models[0], pruned, strict=True):
        if not hasattr(before, "weight"):
            continue
        if before.weight.shape[1] % 4:
            assert torch.equal(cut.weight, before.weight)
            continue
        fours, left = (layer.weight.detach().movedim(1, -1).reshape(-1, 4) for layer in (before, cut))
        assert ((left != 0).sum(1) == 2).all()
        assert torch.equal(left.abs().sum(1), fours.abs().topk(2).values.sum(1))
        assert torch.equal(after.weight == 0, cut.weight == 0)
        assert not torch.equal(after.weight, cut.weight)
    assert descent.asked == [(pytest.approx(0.3), {})]


def test_semi_structured_pruning_needs_fours() -> None:
    with pytest.raises(CellFailure, match="multiple of four") as failure:
        compress("semi_structured_pruning", nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=4)))
    assert failure.value.status == "unsupported"


def test_sparse_tensor_cores_get_what_they_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.load("methods", "eager_sparse")
    runtime = import_module(registry.find("methods", "eager_sparse").module)
    model = nn.Sequential(nn.Linear(64, 128), nn.Linear(128, 64), nn.Linear(64, 6))
    dense, pruned = deepcopy(model), compress("semi_structured_pruning-fine_tuning=0", model)
    pruned[1].weight.data[0, :3] = 1.0  # three nonzero weights of four
    taken = []
    monkeypatch.setattr(torch.sparse, "to_sparse_semi_structured", lambda weight: taken.append(weight.shape) or weight)
    assert runtime.compress(dense) == 0
    assert runtime.compress(pruned) == 1
    assert taken == [(128, 64)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_sparse_tensor_cores_give_the_same_outputs(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)).eval()
    pruned, x = compress("semi_structured_pruning-fine_tuning=0", model), torch.randn(16, 64)
    runtime = registry.method("eager_sparse")
    runtime.export(pruned, (x,), tmp_path / "model.pt")
    found = runtime.load(tmp_path / "model.pt", registry.hardware("cuda_1"))(x.cuda())
    torch.testing.assert_close(found.cpu(), pruned(x), rtol=1e-2, atol=1e-2)


def test_sparse_tensor_cores_are_on_gpus() -> None:
    runtime = registry.method("eager_sparse")
    assert "CUDA" in runtime.unsupported(None, registry.hardware("cpu_1"))
    assert runtime.unsupported(None, registry.hardware("cuda_1")) is None


@pytest.mark.parametrize("clusters", [1, 2, 15, 64])
def test_k_means_is_that_of_scipy(clusters: int) -> None:
    numbers = np.sort(np.random.default_rng(0).normal(size=500))
    start = np.linspace(numbers[0], numbers[-1], clusters)
    expected, _ = kmeans2(numbers, start, iter=20, minit="matrix", missing="warn")
    np.testing.assert_allclose(k_means(numbers, clusters), expected)


def test_weight_sharing_finds_the_values_that_are_there() -> None:
    model, values = nn.Sequential(nn.Embedding(30, 8), nn.Linear(8, 16)).eval(), torch.tensor([-0.5, -0.1, 0.0, 0.7])
    for layer in model:
        layer.weight.data = values[torch.randint(0, 4, layer.weight.shape)] + 1e-3 * (layer.weight > 9)
    shared = compress("weight_sharing-bits=2-fine_tuning=0", model)
    for before, after in zip(model, shared, strict=True):
        torch.testing.assert_close(after.weight, before.weight)
        assert torch.equal(after.weight == 0, before.weight == 0)


@pytest.mark.parametrize("fine_tuning", [0, 0.1])
def test_weight_sharing_leaves_few_values_and_all_zeros(fine_tuning: float) -> None:
    model, descent = compress("magnitude_pruning-sparsity=0.5-fine_tuning=0", cnn()), Descent()
    shared = compress(f"weight_sharing-bits=3-fine_tuning={fine_tuning}", model, fine_tune=descent)
    for before, after in ((model[i], shared[i]) for i in (0, 3, 7)):
        assert 4 < len(after.weight.unique()) <= 8, "some of the even start may stay empty"
        assert torch.equal(after.weight == 0, before.weight == 0)
        assert before.bias is None or len(after.bias.unique()) == len(before.bias)
    rounded = descent.models[0] if fine_tuning else shared
    assert torch.equal(rounded[7].bias, model[7].bias)
    # Weights with a common value before still have a common value, but another one.
    if fine_tuning:
        for value in rounded[3].weight.unique():
            assert len(shared[3].weight[rounded[3].weight == value].unique()) == 1
        assert not torch.equal(shared[3].weight, rounded[3].weight)


def test_weight_sharing_trains_a_value_by_the_sum_of_its_gradients() -> None:
    model = nn.Sequential(nn.Linear(4, 1, bias=False))
    model[0].weight.data = torch.tensor([[1.0, 1.0, -1.0, -1.0]])

    def step(model: nn.Module, epochs: float, **_: object) -> None:
        model[0].weight.grad = None
        model(torch.tensor([1.0, 2.0, 10.0, 20.0])).backward()
        model[0].weight.data -= 0.1 * model[0].weight.grad

    shared = compress("weight_sharing-bits=1-fine_tuning=1", model, fine_tune=step)
    torch.testing.assert_close(shared[0].weight.data, torch.tensor([[0.7, 0.7, -4.0, -4.0]]))


def test_weight_sharing_needs_more_weights_than_values() -> None:
    with pytest.raises(CellFailure, match="more than 16 weights") as failure:
        compress("weight_sharing", nn.Sequential(nn.Linear(4, 4)))
    assert failure.value.status == "unsupported"
