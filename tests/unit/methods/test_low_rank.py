"""Low-rank factorisation recovers weights of a known rank exactly and makes no layer more expensive."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from breakeven.errors import CellFailure, UserError
from breakeven.method import CompressionContext, Teaching
from breakeven.task import Recipe
from breakeven.units import registry

MODULE = registry.find("methods", "low_rank").module
registry.load("methods", "low_rank")
decomposition, factors = (import_module(f"{MODULE}.{name}") for name in ("decomposition", "factors"))
Truncation, factorise, cost = decomposition.Truncation, factors.factorise, factors.cost
FORMS = ["channel", "spatial", "tucker2"]
every_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def compress(text: str, model: nn.Module, fine_tune=None) -> nn.Module:
    text += "" if fine_tune else "-fine_tuning=0"
    task = SimpleNamespace(recipe=Recipe(epochs=3, batch_size=4, learning_rate=0.1))
    return registry.method(text).compress(model, CompressionContext(task, 0, fine_tune, None, None))


def planted(form: str, o: int = 12, i: int = 10, k: int = 3, rank: int = 2) -> Tensor:
    """Make a kernel of this rank in this form; for tucker2, of rank and rank + 1."""
    if form == "channel":
        return torch.einsum("or,rihw->oihw", torch.randn(o, rank), torch.randn(rank, i, k, k))
    if form == "spatial":
        return torch.einsum("rih,orw->oihw", torch.randn(rank, i, k), torch.randn(o, rank, k))
    into, core, out = torch.randn(rank, i), torch.randn(rank + 1, rank, k, k), torch.randn(o, rank + 1)
    return torch.einsum("ai,bahw,ob->oihw", into, core, out)


def lost(layer: nn.Module, pair: nn.Module) -> float:
    """Return the share of the weight's energy that the factors lose, seen on a single pixel or a unit vector."""
    if isinstance(layer, nn.Linear):
        x = torch.eye(layer.in_features)
    else:
        x = torch.zeros(layer.in_channels, layer.in_channels, 9, 9)
        x[range(layer.in_channels), range(layer.in_channels), 4, 4] = 1
    zero = layer(torch.zeros_like(x))
    return ((layer(x) - pair(x)).square().sum() / (layer(x) - zero).square().sum()).item()


@every_form
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(12, 7), (3, 12)),
        (nn.Linear(7, 12, bias=False), (3, 7)),
        (nn.Conv1d(4, 6, 5, stride=2, padding=3, dilation=2), (2, 4, 20)),
        (nn.Conv2d(4, 6, 1, stride=2), (2, 4, 9, 9)),
        (nn.Conv2d(4, 6, (1, 5), bias=False), (2, 4, 9, 9)),
        (nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(0, 2)), (2, 4, 9, 11)),
        (nn.Conv2d(4, 6, (3, 4), padding="same", dilation=(1, 2)), (2, 4, 9, 11)),
        (nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, dilation=(1, 2), padding_mode="reflect"), (2, 4, 16, 16)),
        (nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="circular"), (2, 4, 9, 11)),
        (nn.Conv2d(4, 6, (2, 3), padding="same", padding_mode="replicate", bias=False), (2, 4, 9, 11)),
    ],
)
def test_full_energy_gives_the_layer_back(layer: nn.Module, inputs: tuple[int, ...], form: str) -> None:
    x = torch.randn(inputs)
    torch.testing.assert_close(factorise(layer, Truncation(energy=1.0), form)(x), layer(x), rtol=1e-4, atol=1e-5)


def test_finds_the_rank_of_a_matrix_and_loses_nothing() -> None:
    model = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4)).eval()
    model[0].weight.data = torch.randn(30, 3) @ torch.randn(3, 40)
    thin, x = compress("low_rank-energy=0.99999", model), torch.randn(8, 40)
    assert [factor.out_features for factor in thin[0]] == [3, 30]
    assert isinstance(thin[2], nn.Linear), "a layer that would not get cheaper stays"
    torch.testing.assert_close(thin(x), model(x), rtol=1e-3, atol=1e-3)


@every_form
def test_finds_the_rank_of_a_kernel_and_loses_nothing(form: str) -> None:
    model = nn.Sequential(nn.Conv2d(10, 12, 3, padding=1), nn.ReLU()).eval()
    model[0].weight.data = planted(form)
    thin, x = compress(f"low_rank-energy=0.99999-convolution={form}", model), torch.randn(2, 10, 8, 8)
    assert [factor.out_channels for factor in thin[0]] == [2, *([3] if form == "tucker2" else []), 12]
    kernels = {"channel": [(3, 3), (1, 1)], "spatial": [(3, 1), (1, 3)], "tucker2": [(1, 1), (3, 3), (1, 1)]}
    assert [factor.kernel_size for factor in thin[0]] == kernels[form]
    torch.testing.assert_close(thin(x), model(x), rtol=1e-3, atol=1e-3)


@every_form
@pytest.mark.parametrize("energy", [0.5, 0.9])
def test_drops_no_more_energy_than_asked(energy: float, form: str) -> None:
    layer = nn.Conv2d(8, 16, 3, padding=1)
    assert lost(layer, factorise(layer, Truncation(energy), form)) <= 1 - energy + 1e-6


@pytest.mark.parametrize("form", ["channel", "spatial"])
def test_the_rank_is_the_least_that_keeps_the_energy(form: str) -> None:
    layer = nn.Conv2d(8, 16, 3, padding=1)
    pair = factorise(layer, Truncation(0.7), form)
    for factor, dim in zip(pair, (0, 1), strict=True):  # singular vectors are sorted by size: drop the last one
        factor.weight.data = factor.weight.data.narrow(dim, 0, factor.weight.shape[dim] - 1)
    assert lost(layer, pair) > 0.3


def test_tucker2_beats_the_two_truncations_that_it_starts_from() -> None:
    weight = torch.randn(16, 8, 3, 3).double()
    values, bound = decomposition.FORMS["tucker2"].divide(weight, Truncation(ratio=0.5))
    u, v = (torch.linalg.svd(x, full_matrices=False)[0] for x in (weight.flatten(1), weight.transpose(0, 1).flatten(1)))
    u, v = u[:, :8] @ u[:, :8].T, v[:, :4] @ v[:, :4].T
    start, found = (
        (weight - product).square().sum() / weight.square().sum()
        for product in (torch.einsum("po,qi,oihw->pqhw", u, v, weight), torch.einsum("ai,bahw,ob->oihw", *values))
    )
    assert found < start <= bound


@every_form
def test_ratio_is_a_share_of_the_full_rank(form: str) -> None:
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(64, 40)).eval()
    thin = compress(f"low_rank-ratio=0.25-convolution={form}", model)
    # Full ranks are those of [16, 72]; of [24, 48]; of [16, 72] and [8, 144].
    ranks = {"channel": [4, 16], "spatial": [6, 16], "tucker2": [2, 4, 16]}
    assert [factor.out_channels for factor in thin[0]] == ranks[form]
    assert [factor.out_features for factor in thin[2]] == [10, 40]


def test_energy_or_ratio_decides() -> None:
    assert registry.identify("methods", "low_rank-ratio=0.250") == "low_rank-ratio=0.25"
    assert registry.identify("methods", "low_rank-energy=0.8-teacher=no") == "low_rank"
    with pytest.raises(UserError, match=r"'ratio'.*place of 'energy'"):
        registry.method("low_rank-energy=0.5-ratio=0.25")


@every_form
@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_the_cost_is_that_of_the_multiplications(form: str, stride: int | tuple[int, int]) -> None:
    layer, x = nn.Conv2d(8, 16, 3, stride, padding=1), torch.randn(1, 8, 16, 16)
    chain = factorise(layer, Truncation(ratio=0.3), form)
    for module in (layer, chain):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            positions = module(x)[0, 0].numel()
        layers = chain if module is chain else [layer]
        assert 2 * positions * cost(*layers) == counter.get_total_flops()


def test_fewer_weights_at_a_higher_resolution_are_no_gain() -> None:
    strided, plain = nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
    thin = compress("low_rank-ratio=0.4-convolution=spatial", nn.Sequential(strided, plain).eval())
    assert isinstance(thin[0], nn.Conv2d) and isinstance(thin[1], nn.Sequential)
    assert sum(x.weight.numel() for x in thin[1]) < plain.weight.numel()


def test_embeddings_become_a_thinner_table_where_asked() -> None:
    table = nn.Embedding(60, 16, padding_idx=3)
    table.weight.data = torch.randn(60, 2) @ torch.randn(2, 16)
    table.weight.data[3] = 0
    model = nn.Sequential(table, nn.Linear(16, 16), nn.Embedding(4, 3)).eval()
    model[1].weight.data = torch.randn(16, 1) @ torch.randn(1, 16)
    assert isinstance(compress("low_rank-energy=0.99999", model)[0], nn.Embedding)
    thin, ids = compress("low_rank-energy=0.99999-embeddings=True", model), torch.arange(60).view(2, 30)
    assert [tuple(factor.weight.shape) for factor in thin[0]] == [(60, 2), (16, 2)]
    assert isinstance(thin[2], nn.Embedding), "it would take more bytes"
    torch.testing.assert_close(thin[0](ids), table(ids), rtol=1e-3, atol=1e-4)
    thin[0](ids).square().sum().backward()
    assert thin[0](torch.tensor(3)).abs().max() < 1e-6 and (thin[0][0].weight.grad[3] == 0).all()


def test_what_cannot_be_factorised_stays() -> None:
    kept = [
        nn.Conv2d(64, 64, 3, groups=64),
        nn.GRU(64, 64),
        nn.ConvTranspose2d(64, 64, 3),
        nn.Embedding(64, 64, None, 1),
    ]
    attention = nn.MultiheadAttention(64, 2)
    model = nn.ModuleList([*kept, attention, nn.Linear(64, 64)])
    thin = compress("low_rank-ratio=0.1-embeddings=True", model)
    assert [type(x) for x in thin] == [*map(type, model[:-1]), nn.Sequential]
    assert type(thin[4].out_proj) is type(attention.out_proj)


@pytest.mark.parametrize("share", ["energy=1.0", "ratio=0.99"])
def test_needs_a_layer_that_gains(share: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(32, 5))
    with pytest.raises(CellFailure, match=f"no layer gets cheaper at {share[:5]}") as failure:
        compress(f"low_rank-{share}", model)
    assert failure.value.status == "unsupported"


def test_factors_that_miss_the_weight_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = torch.linalg.svd

    def unsound(matrix: Tensor, full_matrices: bool) -> tuple[Tensor, Tensor, Tensor]:
        u, s, v = sound(matrix, full_matrices=full_matrices)
        return u.flip(1), s, v

    monkeypatch.setattr(torch.linalg, "svd", unsound)
    with pytest.raises(CellFailure, match="factors miss a weight by") as failure:
        factorise(nn.Linear(20, 20), Truncation(0.9))
    assert failure.value.status == "method_error"


@pytest.mark.parametrize("teacher", [False, True])
def test_the_given_model_teaches_where_asked(teacher: bool) -> None:
    model, asked = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 4)).eval(), []

    def fine_tune(student: nn.Module, epochs: float, *, teaching: Teaching | None) -> None:
        asked.append((student, epochs, teaching))

    thin = compress(f"low_rank-ratio=0.1-fine_tuning=0.5-teacher={teacher}", model, fine_tune)
    (student, epochs, teaching), x = asked[0], torch.randn(3, 32)
    assert student is thin and epochs == pytest.approx(1.5)
    assert (teaching is not None) == teacher
    if teaching:
        assert teaching.teacher is not model and not any(p.requires_grad for p in teaching.teacher.parameters())
        assert torch.equal(teaching.teacher(x), model(x)) and not torch.equal(thin(x), model(x))
        assert all(p.requires_grad for p in [*thin.parameters(), *model.parameters()])


def test_serves_layers_that_torch_would_otherwise_fuse() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 64, batch_first=True), 2).eval()
    model.layers[0].linear1.weight.data = torch.randn(64, 1) @ torch.randn(1, 16)
    x = torch.randn(2, 5, 16)
    with torch.inference_mode():  # in this mode torch can take the fused path
        assert compress("low_rank-energy=0.5", model)(x).shape == model(x).shape
