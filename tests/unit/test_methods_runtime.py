"""Runtimes, and compression of their files, on small models of which the right answer is known."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import psutil
import pytest
import torch
from torch import Tensor, nn

from breakeven import registry
from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

CPU_1, CPU_2 = registry.hardware("cpu_1"), registry.hardware("cpu_2")
RUNTIMES = ["eager", "onnxruntime"]


class Attend(nn.Module):
    """Embeds ids, lets them attend to one another under a mask, and takes the mean: all kinds of inputs at once."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor, padding: Tensor, scale: Tensor) -> Tensor:
        x = self.embed(ids) * scale
        x = x + self.attention(x, x, x, key_padding_mask=padding, need_weights=False)[0]
        return self.head(self.norm(x).mean(1))


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def attend() -> nn.Module:
    """The same weights every time."""
    torch.manual_seed(1)
    return Attend().eval()


def cnn() -> nn.Sequential:
    """The same weights every time."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3)]
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 5)).eval()


def inputs(batch: int) -> tuple[Tensor, ...]:
    padding = torch.arange(6) >= torch.randint(2, 7, (batch, 1))
    return torch.randint(0, 40, (batch, 6)), padding, torch.rand(batch, 6, 1) + 0.5


def images(batch: int) -> tuple[Tensor, ...]:
    return (torch.randn(batch, 1, 12, 12),)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Exports take seconds: each model once, from a batch of one and of three."""
    folder = tmp_path_factory.mktemp("exported")
    found = {}
    for runtime in map(registry.method, RUNTIMES):
        for name, model, example in (("attend", attend(), inputs(1)), ("cnn", cnn(), images(3))):
            found[name + runtime.suffix] = folder / (name + runtime.suffix)
            runtime.export(model, example, found[name + runtime.suffix])
    return found


@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize(("model", "make"), [("attend", inputs), ("cnn", images)])
def test_serves_ids_masks_and_numbers_at_any_batch_size(model: str, make, name: str, batch: int, files) -> None:
    runtime, given = registry.method(name), make(batch)
    found = runtime.load(files[model + runtime.suffix], CPU_1)(*given)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    expected = {"attend": attend, "cnn": cnn}[model]()(*given).detach()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_eager_serves_in_eval_mode(tmp_path: Path) -> None:
    eager, x = registry.method("eager"), torch.ones(1, 8)
    eager.export(nn.Sequential(nn.Dropout(0.5)).train(), (x,), tmp_path / "model.pt")
    assert torch.equal(eager.load(tmp_path / "model.pt", CPU_1)(x), x)


@pytest.mark.parametrize("profile", [CPU_1, CPU_2], ids=lambda profile: profile.name)
def test_eager_uses_the_threads_of_the_profile(profile: registry.HardwareProfile, files) -> None:
    registry.method("eager").load(files["cnn.pt"], profile)
    assert torch.get_num_threads() == profile.threads


@pytest.mark.parametrize("profile", [CPU_1, CPU_2], ids=lambda profile: profile.name)
def test_onnxruntime_uses_the_threads_of_the_profile(profile: registry.HardwareProfile, files) -> None:
    before = psutil.Process().num_threads()
    call = registry.method("onnxruntime").load(files["cnn.onnx"], profile)
    call(*images(32))
    assert psutil.Process().num_threads() - before == profile.threads - 1  # the caller is one of them


def test_export_notices_a_graph_that_differs(tmp_path: Path) -> None:
    with pytest.raises(CellFailure, match="not those of the module") as failure:
        registry.method("onnxruntime").export(Noise().eval(), (torch.ones(2, 4),), tmp_path / "model.onnx")
    assert failure.value.status == "method_error"


def test_export_says_what_it_cannot_export(tmp_path: Path) -> None:
    with pytest.raises(CellFailure) as failure:
        registry.method("onnxruntime").export(Branch().eval(), (torch.ones(2, 4),), tmp_path / "model.onnx")
    assert failure.value.status == "method_error"
    assert "\n" not in failure.value.reason
    assert len(failure.value.reason) > 20


def test_exported_files_name_no_source_files(files) -> None:
    assert b".py" not in files["attend.onnx"].read_bytes()


@pytest.fixture
def calibrated() -> tuple[CompressionContext, list[int]]:
    """A context for images, and the numbers of samples that were asked of it."""
    asked: list[int] = []

    def calibration_inputs(samples: int) -> Iterator[tuple[Tensor, ...]]:
        asked.append(samples)
        yield from (images(50), images(7))

    return CompressionContext(None, 0, None, calibration_inputs), asked  # type: ignore[arg-type]


@pytest.mark.parametrize("calibration", ["minmax", "entropy", "percentile"])
def test_int8_static_stays_close_and_shrinks_the_file(calibration: str, calibrated, files, tmp_path: Path) -> None:
    context, asked = calibrated
    source, target = files["cnn.onnx"], tmp_path / "int8.onnx"
    before = source.read_bytes()
    registry.method(f"int8_static-samples=57-calibration={calibration}").compress(source, target, context)
    assert asked == [57]
    assert source.read_bytes() == before
    assert target.stat().st_size < 0.5 * len(before)
    given = images(64)
    expected, found = cnn()(*given), registry.method("onnxruntime").load(target, CPU_1)(*given)
    assert 0 < (found - expected).norm() < 0.1 * expected.norm()


def test_int8_static_leaves_the_sums_of_a_transformer_in_float(files, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    context = CompressionContext(None, 0, None, lambda samples: iter([inputs(samples)]))  # type: ignore[arg-type]
    registry.method("int8_static-samples=40").compress(files["attend.onnx"], target, context)
    graph = onnx.load(target).graph
    producer = {name: node.op_type for node in graph.node for name in node.output}
    fed = Counter(n.op_type for n in graph.node if {producer.get(x) for x in n.input[:2]} == {"DequantizeLinear"})
    assert fed["MatMul"] + fed["Gemm"] >= 2
    assert any(producer.get(n.input[0]) == "DequantizeLinear" for n in graph.node if n.op_type == "Gather")
    assert not fed["Add"] and not fed["LayerNormalization"]


def test_int8_static_needs_something_to_quantise(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    registry.method("onnxruntime").export(nn.Sequential(nn.Softplus()).eval(), images(2), source)
    context = CompressionContext(None, 0, None, lambda _: iter([images(4)]))  # type: ignore[arg-type]
    with pytest.raises(CellFailure, match="no operator to quantise"):
        registry.method("int8_static").compress(source, tmp_path / "int8.onnx", context)


def test_reasons_against_cuda_are_given_without_torch() -> None:
    code = """
import sys
from breakeven import registry
task, cpu, cuda = None, registry.hardware("cpu_1"), registry.hardware("cuda_1")
for name in ("onnxruntime", "int8_dynamic", "int8_static"):
    method = registry.method(name)
    assert method.unsupported(task, cpu) is None
    assert "CPU" in method.unsupported(task, cuda)
for name in ("eager", "magnitude_pruning", "channel_pruning", "low_rank"):
    assert registry.method(name).unsupported(task, cuda) is None
assert not {"torch", "onnx", "onnxruntime"} & sys.modules.keys(), "heavy imports"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
