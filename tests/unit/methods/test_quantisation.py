"""Quantisation by ONNX Runtime, OpenVINO, torch and torchao, on models with a known answer."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib import import_module, util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from breakeven.errors import CellFailure
from breakeven.method import Batch, CompressionContext
from breakeven.units import registry

CPU = registry.hardware("cpu_1")
TOKENS, WIDTH = 6, 32
openvino = pytest.mark.skipif(util.find_spec("nncf") is None, reason="nncf is not installed")
BACKENDS = ["onnxruntime", pytest.param("openvino", marks=openvino)]
fewest = import_module(registry.find("methods", "int8_static").module + ".kept").fewest


class Attend(nn.Module):
    """A model that embeds ids and lets them attend: embeddings, products, normalisation and a residual path."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(300, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.norm(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.layer, self.head = kind(12, WIDTH, batch_first=True), nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x[:, 0])[0][:, -1])


class Sensitive(nn.Module):
    """A model with one huge number after its first layer. In 8 bits it makes all others zero, yet it hardly counts."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.fourth, self.fifth, self.last = (
            nn.Linear(WIDTH, n, bias=False) for n in (*[WIDTH] * 5, 4)
        )
        with torch.no_grad():
            self.first.weight[0] *= 3e4
            self.second.weight[:, 0] /= 3e6

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second, self.third, self.fourth, self.fifth):
            x = layer(x).relu()
        return self.last(x)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return make().eval()


def cnn(first: int = 16, channels: int = 1) -> nn.Module:
    layers = [nn.Conv2d(channels, first, 3, padding=1), nn.BatchNorm2d(first), nn.ReLU(), nn.Conv2d(first, 256, 3)]
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 5)).eval()


def images(batch: int, channels: int = 1) -> tuple[Tensor]:
    return (torch.randn(batch, channels, 12, 12),)


def ids(batch: int) -> tuple[Tensor]:
    return (torch.randint(0, 300, (batch, TOKENS)),)


def vectors(batch: int) -> tuple[Tensor]:
    return (torch.randn(batch, WIDTH),)


def context(make=images, validate=None) -> CompressionContext:
    def samples(number: int) -> Iterator[Batch]:
        torch.manual_seed(3)
        for size in (number - number // 3, number // 3):  # two batch sizes, because the last batch is smaller
            yield make(size), torch.zeros(size)

    task = SimpleNamespace(example_inputs=make, lengths=None, quality=SimpleNamespace(higher_is_better=True))
    return CompressionContext(task, 0, None, samples, validate)  # type: ignore[arg-type]


def compress(text: str, model: nn.Module, folder: Path, make=images, validate=None) -> Path:
    """Compress an exported model with a method; return the new file."""
    method = registry.method(text)
    runtime = registry.method(method.runtime)
    source, target = folder / f"float{runtime.suffix}", folder / f"made{runtime.suffix}"
    runtime.export(model, make(2), source)
    before = source.read_bytes()
    method.compress_file(source, target, context(make, validate))
    assert source.read_bytes() == before
    return target


def serve(path: Path) -> Callable[..., Tensor]:
    return registry.method({".onnx": "onnxruntime", ".openvino": "openvino"}[path.suffix]).load(path, CPU)


def error(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.mark.parametrize("calibration", ["minmax", "entropy", "percentile"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_static_stays_close_and_shrinks_the_file(backend: str, calibration: str, tmp_path: Path) -> None:
    model = seeded(cnn)
    made = compress(f"int8_static-backend={backend}-samples=57-calibration={calibration}", model, tmp_path)
    assert made.stat().st_size < 0.6 * (tmp_path / f"float{made.suffix}").stat().st_size
    (x,) = images(64)
    assert 0 < error(serve(made)(x), model(x)) < 0.1


@pytest.mark.parametrize(("text", "largest"), [("", 64), ("-reduce_range=False", 127)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_static_reduces_the_range_of_weights(backend: str, text: str, largest: int, tmp_path: Path) -> None:
    weights, _ = stored(compress(f"int8_static-backend={backend}{text}", seeded(cnn), tmp_path))
    assert len(weights) >= 2
    assert all(largest - 1 <= np.abs(w.astype(int)).max() <= largest + 1 for w in weights)


@pytest.mark.parametrize(("text", "most"), [("", 256), ("-per_channel=False", 1)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_static_has_a_scale_for_each_channel_or_one_for_all(backend: str, text: str, most: int, tmp_path: Path) -> None:
    _, scales = stored(compress(f"int8_static-backend={backend}{text}", seeded(cnn), tmp_path))
    assert max(scales) == most


def stored(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Return the 8-bit weights in a file, and the number of scales of each."""
    if path.suffix == ".onnx":
        graph = onnx.load(path).graph
        arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        nodes = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in arrays]
        nodes = [n for n in nodes if arrays[n.input[0]].dtype == np.int8]  # biases have 32 bits
        return [arrays[n.input[0]] for n in nodes], [arrays[n.input[1]].size for n in nodes]
    weights, scales = [], []
    for op in registry.method("openvino").read(path).get_ops():
        if op.get_type_name() == "Constant" and op.get_element_type().get_type_name() == "i8":
            weights.append(op.data)
            (converted,) = op.output(0).get_target_inputs()
            (multiplied,) = converted.get_node().output(0).get_target_inputs()
            scales.append(multiplied.get_node().input_value(1).get_node().data.size)
    return weights, scales


def test_static_leaves_the_sums_of_a_transformer_in_float(tmp_path: Path) -> None:
    graph = onnx.load(compress("int8_static-samples=40", seeded(Attend), tmp_path, ids)).graph
    producer = {name: node.op_type for node in graph.node for name in node.output}
    fed = Counter(n.op_type for n in graph.node if {producer.get(x) for x in n.input[:2]} == {"DequantizeLinear"})
    assert fed["MatMul"] + fed["Gemm"] >= 2
    assert any(producer.get(n.input[0]) == "DequantizeLinear" for n in graph.node if n.op_type == "Gather")
    assert not fed["Add"] and not fed["LayerNormalization"]


@pytest.mark.parametrize(("outputs", "channels", "in_float"), [(16, 1, True), (16, 3, True), (64, 3, False)])
def test_static_keeps_thin_first_convolutions_in_float(
    outputs: int, channels: int, in_float: bool, tmp_path: Path
) -> None:
    model = seeded(lambda: cnn(outputs, channels))
    graph = onnx.load(compress("int8_static", model, tmp_path, lambda batch: images(batch, channels))).graph
    weights = {t.name: t for t in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert [node.input[1] in weights for node in convolutions] == [in_float, False]


def quality(model: nn.Module, make) -> Callable[[Callable[..., Tensor]], float]:
    """Return a function that measures how often a callable's decisions agree with the model's."""
    inputs = make(512)
    return lambda call: (call(*inputs).argmax(1) == model(*inputs).argmax(1)).float().mean().item()


def test_static_leaves_the_layers_in_float_that_need_it_and_no_more(tmp_path: Path) -> None:
    model = seeded(Sensitive)
    score = quality(model, vectors)
    assert score(serve(compress("int8_static", model, tmp_path, vectors))) < 0.8
    made = compress("int8_static-keep_float=auto-tolerance=0.05", model, tmp_path, vectors, score)
    assert score(serve(made)) >= 0.95
    weights = {t.name for t in onnx.load(made).graph.initializer}
    in_float = {name for name, _ in model.named_children() if f"{name}.weight" in weights}
    assert in_float == {"first", "second"}


@openvino
def test_nncf_restores_the_quality_too(tmp_path: Path) -> None:
    model = seeded(Sensitive)
    score = quality(model, vectors)
    assert score(serve(compress("int8_static-backend=openvino", model, tmp_path, vectors))) < 0.8
    made = compress("int8_static-backend=openvino-keep_float=auto-tolerance=0.05", model, tmp_path, vectors, score)
    assert score(serve(made)) >= 0.95
    assert len(stored(made)[0]) == 4


def test_static_restores_nothing_where_nothing_is_lost(tmp_path: Path) -> None:
    model = seeded(cnn)
    plain = compress("int8_static", model, tmp_path).read_bytes()
    asked: list[float] = []

    def validate(call: Callable[..., Tensor]) -> float:
        asked.append(0.9)
        return 0.9

    assert compress("int8_static-keep_float=auto", model, tmp_path, validate=validate).read_bytes() == plain
    assert len(asked) == 2  # float32 and 8 bits


def test_static_gives_up_where_no_layer_may_be_in_8_bits(tmp_path: Path) -> None:
    falling = iter([0.9, *[0.1] * 99])
    with pytest.raises(CellFailure, match="no layer may be in 8 bits") as failure:
        compress("int8_static-keep_float=auto", seeded(cnn), tmp_path, validate=lambda _: next(falling))
    assert failure.value.status == "unsupported"


@pytest.mark.parametrize("length", [2, 3, 7, 16])
def test_the_fewest_layers_are_found_in_few_trials(length: int) -> None:
    for needed in range(1, length):
        tried: list[int] = []

        def enough(kept: str, needed: int = needed, tried: list[int] = tried) -> bool:
            tried.append(len(kept))
            return len(kept) >= needed

        worst_first = "abcdefghijklmnop"[:length]
        assert fewest(worst_first, enough) == worst_first[:needed]
        assert len(tried) <= 2 * needed.bit_length() + 1


@pytest.mark.parametrize("text", ["int8_static", pytest.param("int8_static-backend=openvino", marks=openvino)])
def test_static_needs_something_to_quantise(text: str, tmp_path: Path) -> None:
    with pytest.raises(CellFailure, match="no operator to quantise"):
        compress(text, nn.Sequential(nn.Softplus()).eval(), tmp_path)


@pytest.mark.parametrize("make", [nn.LSTM, Attend])
def test_dynamic_quantises_products_lstm_and_embeddings(make: type[nn.Module], tmp_path: Path) -> None:
    model = seeded(lambda: Recurrent(make) if make is nn.LSTM else make())
    inputs = images if make is nn.LSTM else ids
    made, given = compress("int8_dynamic", model, tmp_path, inputs), inputs(64)
    assert 0 < error(serve(made)(*given), model(*given)) < 0.05
    floats = [numpy_helper.to_array(t) for t in onnx.load(made).graph.initializer if t.data_type == 1]
    assert max(array.size for array in floats) <= 8 * WIDTH  # biases and scales, no weights


def test_dynamic_leaves_convolutions_in_float(tmp_path: Path) -> None:
    kinds = Counter(node.op_type for node in onnx.load(compress("int8_dynamic", seeded(cnn), tmp_path)).graph.node)
    assert kinds["Conv"] == 2 and not kinds["ConvInteger"]
    assert kinds["MatMulInteger"] == 1
    with pytest.raises(CellFailure, match="no linear, LSTM or embedding") as failure:
        compress("int8_dynamic", nn.Sequential(nn.Conv2d(1, 4, 3)).eval(), tmp_path)
    assert failure.value.status == "unsupported"


def test_dynamic_says_what_quantises_a_gru(tmp_path: Path) -> None:
    model = seeded(lambda: Recurrent(nn.GRU))
    model.head = nn.Identity()
    with pytest.raises(CellFailure, match="take backend=torch for its GRU"):
        compress("int8_dynamic", model, tmp_path)


def test_dynamic_by_torch_quantises_gru_layers() -> None:
    model = seeded(lambda: Recurrent(nn.GRU))
    (x,) = images(16)
    made = registry.method("int8_dynamic-backend=torch").compress(model, context())
    assert "quantized" in type(made.layer).__module__ and "quantized" in type(made.head).__module__
    assert 0 < error(made(x), model(x)) < 0.05


@pytest.mark.parametrize("unpack", ["on_load", "on_call"])
@pytest.mark.parametrize(("bits", "most"), [(8, 0.02), (4, 0.25)])
@pytest.mark.parametrize("name", ["cnn", "attend", "gru", "lstm"])
def test_weights_alone_take_the_bits_asked_for(name: str, bits: int, most: float, unpack: str, tmp_path: Path) -> None:
    make = {"cnn": cnn, "attend": Attend, "gru": lambda: Recurrent(nn.GRU), "lstm": lambda: Recurrent(nn.LSTM)}[name]
    model, inputs = seeded(make), ids if name == "attend" else images
    made, given = compress(f"weight_only-bits={bits}-unpack={unpack}", model, tmp_path, inputs), inputs(64)
    assert most / 100 < error(serve(made)(*given), model(*given)) < most
    weights = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    saved = (tmp_path / "float.onnx").stat().st_size - made.stat().st_size
    scales = 4 / 9 if bits == 8 else 4 / 9 + 4 / 32  # bytes per weight: for the shortest rows here, and for blocks
    assert weights * (4 - bits / 8 - scales) - 6000 < saved < weights * (4 - bits / 8)


def test_weights_alone_are_numbers_again_before_the_first_call(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    kinds = []
    for path in (compress("weight_only-bits=4", seeded(cnn), tmp_path), tmp_path / "float.onnx"):
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        kinds.append(Counter(node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node))
    assert kinds[0] == kinds[1]


def test_small_blocks_are_closer_than_large_ones(tmp_path: Path) -> None:
    model, (x,) = (
        seeded(lambda: nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 4))),
        torch.randn(1, 64, 256),
    )

    def rows(batch: int) -> tuple[Tensor]:
        return (torch.randn(batch, 256),)

    errors = [
        error(serve(compress(f"weight_only-bits=4-group={group}", model, tmp_path, rows))(x), model(x))
        for group in (16, 64)
    ]
    assert errors[0] < errors[1]


def test_torchao_packs_linear_layers_and_its_files_load(tmp_path: Path) -> None:
    model, x = seeded(lambda: nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4))), torch.randn(8, 256)
    eager = registry.method("eager")
    made = registry.method("weight_only-backend=torchao").compress(model, context())
    for name, module in (("float", model), ("made", made)):
        eager.export(module, (x,), tmp_path / name)
    assert (tmp_path / "made").stat().st_size < 0.35 * (tmp_path / "float").stat().st_size
    assert 0 < error(eager.load(tmp_path / "made", CPU)(x), model(x)) < 0.02
    with pytest.raises(CellFailure, match="no linear layer"):
        registry.method("weight_only-backend=torchao").compress(nn.Sequential(nn.Conv2d(1, 2, 3)), context())


def test_weights_alone_need_weights(tmp_path: Path) -> None:
    with pytest.raises(CellFailure, match="no weights to quantise"):
        compress("weight_only", nn.Sequential(nn.Softplus()).eval(), tmp_path)


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2**-11), ("bfloat16", 2**-8)])
@pytest.mark.parametrize(("make", "inputs"), [(cnn, images), (Attend, ids)])
def test_half_rounds_weights_and_takes_half_the_bytes(make, inputs, dtype: str, step: float, tmp_path: Path) -> None:
    model, given, eager = seeded(make), inputs(16), registry.method("eager")
    before = deepcopy(model.state_dict())
    half = registry.method(f"half_precision-dtype={dtype}").compress(model, context(inputs))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for name, module in (("float", model), ("half", half)):
        eager.export(module, given, tmp_path / name)
    assert (tmp_path / "half").stat().st_size < 0.7 * (tmp_path / "float").stat().st_size
    found = eager.load(tmp_path / "half", CPU)(*given)
    assert found.dtype == torch.float32
    assert step / 20 < error(found, model(*given)) < 10 * step


def test_half_says_where_float16_overflows() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 1))
    nn.init.constant_(model[0].weight, 300)
    nn.init.constant_(model[1].weight, 300)
    with pytest.raises(CellFailure, match="overflow in float16: use dtype=bfloat16") as failure:
        registry.method("half_precision").compress(model, context(lambda n: (torch.ones(n, WIDTH),)))
    assert failure.value.status == "unsupported"


def test_reasons_are_given_without_torch() -> None:
    code = """
import sys
from breakeven.units import registry
cpu, cuda = registry.hardware("cpu_1"), registry.hardware("cuda_1")
for name in ("int8_static", "int8_dynamic", "int8_dynamic-backend=torch", "weight_only", "half_precision"):
    assert registry.method(name).unsupported(None, cpu) is None, name
for name in ("int8_static", "int8_dynamic", "weight_only"):
    assert "CPU" in registry.method(name).unsupported(None, cuda)
for name, reason in {
    "int8_static-backend=fx-keep_float=auto": "has no keep_float=auto",
    "weight_only-backend=torchao-bits=4": "4 bits on GPUs only",
    "weight_only-backend=torchao-group=64": "has no blocks",
    "int8_dynamic-backend=torch-per_channel=false": "leave per_channel and reduce_range out",
    "weight_only-group=48": "power of two",
}.items():
    assert reason in registry.method(name).unsupported(None, cpu)
from importlib import import_module
unit = import_module(registry.find("methods", "int8_static").module)
unit.find_spec = lambda name: None
assert "pip install openvino nncf" in registry.method("int8_static-backend=openvino").unsupported(None, cpu)
assert not {"torch", "onnx", "onnxruntime", "nncf", "torchao"} & sys.modules.keys(), "heavy imports"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
