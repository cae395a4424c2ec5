"""8-bit methods for modules: they compute in integers, and the saved and served model gives the same outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertModel

from breakeven.errors import CellFailure
from breakeven.hardware import HardwareProfile
from breakeven.method import CompressionContext
from breakeven.stages.modules import count_parameters, load_module, save_module
from breakeven.task import Recipe
from breakeven.units import registry

TOKENS, STEP = 8, 1 / 255  # one step of a quantised range of activations
FLIPS = 4 * STEP  # rounding may differ if another kernel's sum differs in its last bit


class Residual(nn.Module):
    """A network of convolutions with batch norm, a residual sum, both kinds of pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, eps=1e-3))
        self.pool, self.act = nn.MaxPool2d(2), nn.ReLU()
        self.narrow = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.narrow(self.pool(self.act(self.body(x) + x))))


class Encoder(nn.Module):
    """A model of one BERT layer, the mean of its states, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = BertConfig(vocab_size=50, max_position_embeddings=TOKENS, **size)
        self.bert, self.head = BertModel(config, add_pooling_layer=False), nn.Linear(16, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        types = torch.zeros_like(ids)
        return self.head(self.bert(ids, mask, types).last_hidden_state.mean(1))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def images(batch: int) -> tuple[Tensor, ...]:
    return (torch.randn(batch, 1, 12, 12, generator=torch.Generator().manual_seed(batch)),)


def tokens(batch: int) -> tuple[Tensor, ...]:
    source = torch.Generator().manual_seed(batch)
    lengths = torch.randint(2, TOKENS + 1, (batch, 1), generator=source)
    return torch.randint(0, 50, (batch, TOKENS), generator=source), (torch.arange(TOKENS) < lengths).long()


def lit(model: nn.Module) -> nn.Module:
    """Give a network the statistics of data and batch norms that scale."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    for _ in range(20):
        model(torch.randn(64, 1, 12, 12))
    return model.eval()


class Training:
    """Simulates the engine's fine-tuning on targets from `model`, and records its arguments."""

    def __init__(
        self, model: nn.Module, inputs: Callable[[int], tuple[Tensor, ...]], steps: int = 5, rate: float = 1e-4
    ) -> None:
        self.inputs, self.steps, self.rate, self.asked = inputs, steps, rate, {}
        with torch.no_grad():
            self.target = model(*inputs(64)).argmax(1)

    def __call__(self, model: nn.Module, epochs: float, **how: object) -> None:
        self.asked = {"epochs": epochs, **how}
        optimiser = torch.optim.AdamW(model.train().parameters(), lr=self.rate)
        self.losses = []
        for _ in range(self.steps):
            optimiser.zero_grad()
            loss = cross_entropy(model(*self.inputs(64)), self.target)
            loss.backward()
            optimiser.step()
            self.losses.append(loss.item())
        model.eval()


def compress(text: str, model: nn.Module, inputs: Callable = images, training: object = None) -> nn.Module:
    task = SimpleNamespace(
        example_inputs=inputs, lengths=None, recipe=Recipe(epochs=4, batch_size=64, learning_rate=0.1)
    )
    samples = lambda n: iter([(inputs(n), torch.zeros(n))])  # noqa: E731
    context = CompressionContext(task, 0, training or Training(model, inputs), samples, lambda call: 0.0)
    torch.manual_seed(1)
    with torch.enable_grad():
        return registry.method(text).compress(model, context)


def optimised(path: Path) -> Counter[str]:
    """Count the operators that ONNX Runtime computes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(path.with_suffix(".opt.onnx")), 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def off(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()


def test_qat_computes_convolutions_sums_and_poolings_in_integers(tmp_path: Path, cpu: HardwareProfile) -> None:
    model, path, inputs = lit(Residual()), tmp_path / "model.onnx", images(40)
    quantised = compress("int8_qat", model, training=Training(model, images, rate=0.0))
    registry.method("onnxruntime").export(quantised, images(2), path)
    found = optimised(path)
    assert found["QLinearConv"] == 2, "the first convolution has one input channel: it stays in float32"
    assert found["Conv"] == found["QLinearAdd"] == found["QGemm"] == 1
    assert not {"Add", "Gemm", "MatMul", "BatchNormalization"} & found.keys()
    served = registry.method("onnxruntime").load(path, cpu)
    with torch.no_grad():
        assert off(served(*inputs), quantised(*inputs)) <= FLIPS
        assert off(quantised(*inputs), model(*inputs)) < 0.15


def test_qat_computes_the_products_of_an_encoder_in_integers(tmp_path: Path, cpu: HardwareProfile) -> None:
    model, path, inputs = Encoder().eval(), tmp_path / "model.onnx", tokens(40)
    quantised = compress("int8_qat", model, tokens, Training(model, tokens, rate=0.0))
    registry.method("onnxruntime").export(quantised, tokens(2), path)
    found = optimised(path)
    assert found["MatMulIntegerToFloat"] == 6
    assert found["QGemm"] == 1
    assert not {"MatMul", "Gemm"} & found.keys()
    tables = [tensor for tensor in onnx.load(path).graph.initializer if tuple(tensor.dims) == (50, 16)]
    assert [tensor.data_type for tensor in tables] == [onnx.TensorProto.INT8]
    with torch.no_grad():
        assert off(registry.method("onnxruntime").load(path, cpu)(*inputs), quantised(*inputs)) <= FLIPS
        assert off(quantised(*inputs), model(*inputs)) < 0.15


@pytest.mark.parametrize(("text", "most"), [("int8_qat", 63), ("int8_qat-reduce_range=false", 127)])
def test_qat_stores_weights_as_integers_of_the_range_asked_for(text: str, most: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    quantised = compress(text, model)
    weights = [parameter for parameter in quantised.parameters() if parameter.dtype == torch.int8]
    assert sorted(weight.numel() for weight in weights) == [24, 8 * 144]
    assert all(weight.abs().max() == most for weight in weights)
    assert count_parameters(quantised)[0] == count_parameters(model)[0]


def test_qat_trains_what_is_served_and_nothing_else_changes() -> None:
    model = lit(Residual())
    before, training = deepcopy(model.state_dict()), Training(model, images, steps=30)
    first = Training(model, images, steps=30)
    quantised, same = compress("int8_qat", model, training=training), compress("int8_qat", model, training=first)
    assert training.asked == {"epochs": pytest.approx(1.0), "rate": pytest.approx(0.03), "teaching": None}
    assert sum(training.losses[-5:]) < sum(training.losses[:5])
    inputs = images(64)
    with torch.no_grad():
        served = cross_entropy(quantised(*inputs), training.target).item()
        torch.testing.assert_close(quantised(*inputs), same(*inputs))
    assert served < training.losses[0]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_qat_learns_from_the_float_model_where_asked() -> None:
    model = lit(Residual())
    training = Training(model, images)
    compress("int8_qat-teacher=true", model, training=training)
    teacher = training.asked["teaching"].teacher
    assert teacher is not model and torch.equal(teacher(*images(2)), model(*images(2)))


def test_qat_drops_out_in_training_at_the_rate_of_the_model() -> None:
    seen = {}

    def watch(model: nn.Module, epochs: float, **_: object) -> None:
        x = torch.ones(1, 4000)
        seen["train"] = (model.train()(x) == 0).float().mean().item()
        seen["eval"] = (model.eval()(x) == 0).float().mean().item()

    layer = nn.Linear(4000, 4000)
    nn.init.eye_(layer.weight), nn.init.ones_(layer.bias)
    flat = lambda n: (torch.ones(n, 4000),)  # noqa: E731
    compress("int8_qat", nn.Sequential(layer, nn.Dropout(0.1)).eval(), flat, watch)
    assert seen == {"train": pytest.approx(0.1, abs=0.02), "eval": 0}


@pytest.mark.parametrize("text", ["int8_qat", "int8_static-backend=fx", "int8_static-backend=pt2e"])
def test_survives_saving_and_copying(text: str, tmp_path: Path) -> None:
    quantised, inputs = compress(text, lit(Residual())), images(5)
    save_module(quantised, tmp_path / "model.pt")
    loaded = load_module(tmp_path / "model.pt")
    with torch.no_grad():
        expected = quantised(*inputs)
        assert torch.equal(loaded(*inputs), expected)
        assert torch.equal(deepcopy(loaded)(*inputs), expected)
    assert not loaded.training


@pytest.mark.parametrize("text", ["int8_qat", "int8_static-backend=fx", "int8_static-backend=pt2e"])
def test_refuses_a_model_with_nothing_to_quantise(text: str) -> None:
    with pytest.raises(CellFailure, match="no convolution or linear layer") as failure:
        compress(text, nn.Sequential(nn.Softmax(1), nn.Flatten(1)))
    assert failure.value.status == "unsupported"


def test_fx_serves_the_same_integers_as_torchscript(tmp_path: Path, cpu: HardwareProfile) -> None:
    model, inputs = lit(Residual()), images(40)
    quantised, script = compress("int8_static-backend=fx", model), registry.method("torchscript")
    script.export(quantised, images(2), tmp_path / "model.ts")
    with torch.no_grad():
        served = script.load(tmp_path / "model.ts", cpu)(*inputs)
        assert torch.equal(served, quantised(*inputs))
        assert 0 < off(served, model(*inputs)) < 0.1
    assert "quantized::conv2d_relu" in str(torch.jit.load(tmp_path / "model.ts").inlined_graph)


def test_fx_counts_as_many_weights_as_the_float_model() -> None:
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1600, 3)).eval()
    assert count_parameters(compress("int8_static-backend=fx", model))[0] == count_parameters(model)[0]


def test_fx_says_what_it_cannot_trace() -> None:
    with pytest.raises(CellFailure, match="FX cannot trace the model") as failure:
        compress("int8_static-backend=fx", Encoder().eval(), tokens)
    assert failure.value.status == "unsupported"


def test_pt2e_is_close_to_the_float_model_and_leaves_a_thin_convolution_alone() -> None:
    model, inputs = lit(Residual()), images(40)
    quantised = compress("int8_static-backend=pt2e", model)
    with torch.no_grad():
        assert 0 < off(quantised(*inputs), model(*inputs)) < 0.1
    shapes = [tuple(p.shape) for p in quantised.parameters() if p.dtype == torch.int8]
    assert sorted(shapes) == [(3, 16), (8, 8, 3, 3), (16, 8, 3, 3)]


@pytest.mark.slow
def test_pt2e_serves_any_batch_size_compiled(tmp_path: Path, cpu: HardwareProfile) -> None:
    quantised, compiled = compress("int8_static-backend=pt2e", lit(Residual())), registry.method("torch_compile")
    compiled.export(quantised, images(2), tmp_path / "model.pt2")
    served = compiled.load(tmp_path / "model.pt2", cpu)
    with torch.no_grad():
        assert all(off(served(*images(n)), quantised(*images(n))) <= FLIPS for n in (1, 2, 7))


@pytest.mark.parametrize(
    "text",
    ["fx-calibration=entropy", "pt2e-calibration=percentile", "pt2e-per_channel=false"],
)
def test_a_tool_refuses_what_it_does_not_do(text: str, cpu: HardwareProfile) -> None:
    method, task = registry.method(f"int8_static-backend={text}"), registry.task("mandarin_initials")
    assert str(method.unsupported(task, cpu)).startswith("backend=")
    assert registry.method(f"int8_static-backend={text.split('-')[0]}").unsupported(task, cpu) is None


@pytest.fixture
def cpu() -> HardwareProfile:
    return registry.hardware("cpu_1")
