"""Counted arithmetic equals closed formulas: 2 operations per multiply-add, whichever kernel computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from public_data import supply
from torch import Tensor, nn

from breakeven.components.arithmetic import count_flops
from breakeven.method import CompressionContext
from breakeven.stages.modules import count_parameters
from breakeven.units import registry

TOKENS, WIDTH, HEADS, HIDDEN = 10, 32, 4, 64


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def linear(inputs: int, outputs: int, rows: int = 1) -> int:
    return 2 * rows * inputs * outputs


def attention(tokens: int, width: int) -> int:
    """Return the operations of attention: every query with every key, and their weights with every value."""
    return 2 * linear(width, tokens, tokens)


def encoder_layer(tokens: int, width: int, hidden: int) -> int:
    return 4 * linear(width, width, tokens) + attention(tokens, width) + 2 * linear(width, hidden, tokens)


def recurrent(gates: int, inputs: int, hidden: int, steps: int) -> int:
    return gates * steps * (linear(inputs, hidden) + linear(hidden, hidden))


def encoder(layers: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, batch_first=True)
    return nn.TransformerEncoder(layer, layers)


def bert(layers: int) -> nn.Module:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": HIDDEN, "vocab_size": 100}
    model = BertModel(BertConfig(num_hidden_layers=layers, **sizes), add_pooling_layer=False)
    assert model.config._attn_implementation == "sdpa"  # one fused kernel; on a CPU torch counts it as zero operations
    return model


def image(channels: int = 3, size: int = 8) -> tuple[Tensor, ...]:
    return (torch.randn(1, channels, size, size),)


def sequence() -> tuple[Tensor, ...]:
    return (torch.randn(1, TOKENS, WIDTH),)


def ids() -> tuple[Tensor, ...]:
    return (torch.randint(0, 100, (1, TOKENS)),)


FORMULAS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]], int]] = {
    "linear": (lambda: nn.Linear(WIDTH, 7), sequence, linear(WIDTH, 7, TOKENS)),
    "convolution": (lambda: nn.Conv2d(3, 16, 3, padding=1), image, 8 * 8 * linear(3 * 9, 16)),
    "its stride": (lambda: nn.Conv2d(3, 16, 3, stride=2, padding=1), image, 4 * 4 * linear(3 * 9, 16)),
    "its groups": (lambda: nn.Conv2d(4, 16, 3, groups=4), lambda: image(4), 6 * 6 * linear(9, 16)),
    "batch-norm, pooling": (
        lambda: nn.Sequential(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        image,
        8 * 8 * linear(3, 16),
    ),
    "GRU": (lambda: nn.GRU(WIDTH, 16, batch_first=True), sequence, recurrent(3, WIDTH, 16, TOKENS)),
    "LSTM": (lambda: nn.LSTM(WIDTH, 16, batch_first=True), sequence, recurrent(4, WIDTH, 16, TOKENS)),
    "both ways, two layers": (
        lambda: nn.LSTM(WIDTH, 16, 2, batch_first=True, bidirectional=True),
        sequence,
        2 * (recurrent(4, WIDTH, 16, TOKENS) + recurrent(4, 2 * 16, 16, TOKENS)),
    ),
    "encoder": (lambda: encoder(3), sequence, 3 * encoder_layer(TOKENS, WIDTH, HIDDEN)),
    "BERT": (lambda: bert(2), ids, 2 * encoder_layer(TOKENS, WIDTH, HIDDEN)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_closed_formula(name: str) -> None:
    make, inputs, expected = FORMULAS[name]
    assert count_flops(make().eval(), inputs()) == (expected, expected)


def test_a_vision_transformer_with_fused_attention() -> None:
    import timm

    model = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    assert model.blocks[0].attn.fused_attn
    patches, width = 14 * 14, 192
    expected = linear(3 * 16 * 16, width, patches) + linear(width, 1000)
    expected += 12 * encoder_layer(patches + 1, width, 4 * width)
    assert count_flops(model, image(size=224)) == (expected, expected)


def test_inference_mode_hides_nothing() -> None:
    class Served(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, 7)

        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.layer(x)

    assert count_flops(Served(), sequence())[0] == linear(WIDTH, 7, TOKENS)


@pytest.mark.parametrize("make", [encoder, bert, lambda n: nn.GRU(WIDTH, WIDTH, n, batch_first=True)])
def test_twice_the_layers_are_twice_the_arithmetic(make: Callable[[int], nn.Module]) -> None:
    given = ids() if make is bert else sequence()
    assert count_flops(make(4), given)[0] == 2 * count_flops(make(2), given)[0]


def test_a_layer_that_is_called_twice_counts_twice() -> None:
    layer = nn.Linear(WIDTH, WIDTH)
    assert count_flops(nn.Sequential(layer, layer), sequence())[0] == 2 * count_flops(layer, sequence())[0]


@pytest.mark.parametrize("name", ["linear", "GRU", "LSTM", "both ways, two layers", "encoder"])
def test_dynamic_int8_counts_as_float32_does(name: str) -> None:
    make, inputs, expected = FORMULAS[name]
    model = nn.Sequential(make()).eval()  # not a quantisable layer itself: those are replaced within their parent
    quantised = registry.method("int8_dynamic-backend=torch").compress(model, context())
    assert any("quantized" in type(module).__module__ for module in quantised.modules())
    flops, nonzero = count_flops(quantised, inputs())
    assert flops == expected
    assert nonzero == pytest.approx(expected, rel=0.02)  # the smallest weights become zero in 8 bits


@pytest.mark.parametrize("text", ["weight_only-backend=torchao", "half_precision", "half_precision-dtype=bfloat16"])
def test_other_precisions_count_as_float32_does(text: str) -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 7)).eval()
    with torch.no_grad():
        model[0].weight[: WIDTH // 2] = 0
    changed = registry.method(text).compress(model, context(sequence))
    flops, nonzero = count_flops(changed, sequence())
    assert flops == linear(WIDTH, WIDTH, TOKENS) + linear(WIDTH, 7, TOKENS)
    assert nonzero == pytest.approx(flops - linear(WIDTH, WIDTH, TOKENS) / 2, rel=0.02)
    total, kept = count_parameters(changed)
    assert total == WIDTH * WIDTH + WIDTH + 7 * WIDTH + 7
    assert kept == pytest.approx(total - WIDTH * WIDTH / 2, rel=0.02)


def context(inputs: Callable[[], tuple[Tensor, ...]] | None = None) -> CompressionContext:
    task = SimpleNamespace(example_inputs=lambda _: inputs()) if inputs else registry.task("mandarin_initials")
    return CompressionContext(task, 0, lambda *_: None, lambda n: iter(()), lambda _: 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("kind", [nn.Linear, nn.GRU])
def test_weights_of_zero_cost_their_share_less(kind: type[nn.Module], quantised: bool) -> None:
    layer = kind(WIDTH, WIDTH) if kind is nn.Linear else kind(WIDTH, WIDTH, batch_first=True)
    with torch.no_grad():
        for weight in (p for p in layer.parameters() if p.dim() > 1):
            weight.fill_(0.5)
            weight[: len(weight) // 4] = 0
    model = nn.Sequential(layer)
    if quantised:
        model = registry.method("int8_dynamic-backend=torch").compress(model, context())
    flops, nonzero = count_flops(model, sequence())
    assert nonzero == 0.75 * flops


def test_attention_itself_has_no_weights_to_be_zero() -> None:
    model = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    with torch.no_grad():
        model.in_proj_weight[:] = 0  # of queries, keys and values, not of the output projection

    class Call(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x, x, x, need_weights=False)[0]

    flops, nonzero = count_flops(Call(), sequence())
    assert flops - nonzero == 3 * linear(WIDTH, WIDTH, TOKENS)


def test_a_table_of_zeros_that_is_only_added_saves_nothing() -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.zeros(1, TOKENS, WIDTH))
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x + self.position)

    flops, nonzero = count_flops(Placed(), sequence())
    assert flops == nonzero == linear(WIDTH, 3, TOKENS)


def test_magnitude_pruning_leaves_the_share_it_says() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)).eval()
    pruned = registry.method("magnitude_pruning-sparsity=0.8-fine_tuning=0").compress(model, context())
    flops, nonzero = count_flops(pruned, image())
    assert flops == count_flops(model, image())[0]
    # Both layers have outputs of the same size, so both have as many multiply-adds per weight, up to whole weights.
    assert nonzero == pytest.approx(0.2 * flops, rel=0.01)


@pytest.fixture
def switches() -> Iterator[tuple]:
    def read() -> tuple:
        return torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled

    before = read()
    yield before
    assert read() == before


@pytest.mark.usefixtures("switches")
def test_model_and_torch_are_left_as_they_were() -> None:
    model = encoder(2).train()
    before = deepcopy(model.state_dict())
    count_flops(model, sequence())
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", registry.units("tasks"))
def test_every_tasks_model_computes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = registry.task(supply(name, tmp_path, monkeypatch))
    flops, nonzero = count_flops(task.model(), task.example_inputs(1))
    assert flops > 1e3
    assert 0.8 * flops <= nonzero <= flops  # a vocoder begins with the zeros of a Fourier transform


def test_twice_the_samples_are_twice_the_arithmetic() -> None:
    task = registry.task("mandarin_initials")
    model = task.model()
    assert count_flops(model, task.example_inputs(2))[0] == 2 * count_flops(model, task.example_inputs(1))[0]
