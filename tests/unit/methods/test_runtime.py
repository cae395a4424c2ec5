"""Runtimes on small models with a known right answer."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import psutil
import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from breakeven.components import exporting
from breakeven.errors import CellFailure
from breakeven.units import registry

CPU_1, CPU_2 = registry.hardware("cpu_1"), registry.hardware("cpu_2")
OPTIONAL = {"openvino": "openvino", "executorch": "executorch", "tensorrt": "torch_tensorrt"}  # with their packages
TRACING = ["torchscript"]  # tracing keeps one branch for all values, so it cannot refuse
RUNTIMES = [
    name
    for name in ("eager", "torchscript", "torchscript-onednn=true", "torch_compile", "onnxruntime", *OPTIONAL)
    if registry.method(name).unsupported(None, CPU_1) is None  # type: ignore[arg-type]
    and (name != "torch_compile" or which("g++"))
]


class Attend(nn.Module):
    """A model that embeds ids, lets them attend under a mask, and takes the mean: all kinds of inputs at once."""

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


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(float(len(list(x)))).reshape(-1, 1)


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
    """Make a model with the same weights every time."""
    torch.manual_seed(1)
    return Attend().eval()


def cnn() -> nn.Sequential:
    """Make a model with the same weights every time."""
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
    """Export each model once, with batches of one and of three, because an export takes seconds."""
    folder = tmp_path_factory.mktemp("exported")
    found = {}
    for runtime in map(registry.method, RUNTIMES):
        for name, model, example in (("attend", attend(), inputs(1)), ("cnn", cnn(), images(3))):
            found[name + runtime.suffix] = folder / (name + runtime.suffix)
            if not found[name + runtime.suffix].exists():
                runtime.export(model, example, found[name + runtime.suffix])
    return found


def cpu_share(call, given: tuple[Tensor, ...]) -> float:
    """Return the number of cores that a call keeps busy. Other processes can only lower it."""
    for _ in range(5):
        call(*given)
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < 0.3:
        call(*given)
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


@pytest.mark.parametrize("batch", [1, 2, 9, 300])
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


@pytest.mark.parametrize("name", RUNTIMES)
def test_one_thread_keeps_one_core_busy(name: str, files) -> None:
    runtime = registry.method(name)
    assert cpu_share(runtime.load(files["cnn" + runtime.suffix], CPU_1), images(128)) < 1.2


@pytest.mark.skipif(len(psutil.Process().cpu_affinity()) < 2, reason="one core")
@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "onnxruntime"])  # tested separately
def test_files_made_on_one_thread_are_served_on_two(name: str, files) -> None:
    runtime = registry.method(name)
    before = {thread.id: thread.user_time for thread in psutil.Process().threads()}
    call, worked = runtime.load(files["cnn" + runtime.suffix], CPU_2), []
    for _ in range(200):  # on a busy machine the second thread starts late
        cpu_share(call, images(128))
        spent = {t.id: t.user_time - before.get(t.id, 0) for t in psutil.Process().threads()}
        worked = [thread for thread, seconds in spent.items() if seconds >= 0.02]
        if len(worked) >= 2:
            break
    assert len(worked) == 2


@pytest.mark.parametrize("profile", [CPU_1, CPU_2], ids=lambda profile: profile.name)
def test_eager_uses_the_threads_of_the_profile(profile: registry.HardwareProfile, files) -> None:
    registry.method("eager").load(files["cnn.pt"], profile)
    assert torch.get_num_threads() == profile.threads


@pytest.mark.parametrize("profile", [CPU_1, CPU_2], ids=lambda profile: profile.name)
def test_onnxruntime_uses_the_threads_of_the_profile(profile: registry.HardwareProfile, files) -> None:
    before = psutil.Process().num_threads()
    call = registry.method("onnxruntime").load(files["cnn.onnx"], profile)
    call(*images(32))
    assert psutil.Process().num_threads() - before == profile.threads - 1  # the caller is one of the threads


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "eager"])
def test_export_notices_a_graph_that_differs(name: str, tmp_path: Path) -> None:
    runtime = registry.method(name)
    with pytest.raises(CellFailure) as failure:
        runtime.export(Noise().eval(), (torch.ones(2, 4),), tmp_path / f"model{runtime.suffix}")
    assert failure.value.status == "method_error"
    has_no_such_operator = name in ("executorch", "openvino")
    assert ("rand_like" if has_no_such_operator else "not those of the module") in failure.value.reason


@pytest.mark.parametrize("name", [name for name in RUNTIMES if not name.startswith(("eager", *TRACING))])
def test_export_says_what_it_cannot_export(name: str, tmp_path: Path) -> None:
    runtime = registry.method(name)
    with pytest.raises(CellFailure) as failure:
        runtime.export(Branch().eval(), (torch.ones(2, 4),), tmp_path / f"model{runtime.suffix}")
    assert failure.value.status == "method_error"
    assert "\n" not in failure.value.reason
    assert len(failure.value.reason) > 20


@pytest.mark.parametrize("name", TRACING)
def test_a_trace_for_one_batch_size_is_refused(name: str, tmp_path: Path) -> None:
    runtime = registry.method(name)
    with pytest.raises(CellFailure) as failure:
        runtime.export(Fixed().eval(), (torch.ones(2, 4),), tmp_path / f"model{runtime.suffix}")
    assert failure.value.status == "method_error"


@pytest.mark.parametrize("batch", [1, 40])
def test_the_check_of_outputs_tries_other_batch_sizes_than_the_one_given(batch: int) -> None:
    given = (torch.rand(2, 4),)
    assert exporting.same_outputs(nn.Identity(), lambda x: x * (1 + 1e-6), given)
    assert not exporting.same_outputs(nn.Identity(), lambda x: x + (len(x) == batch), given)


@pytest.mark.parametrize(("dtype", "off", "same"), [(torch.float32, 0.01, False), (torch.bfloat16, 0.01, True)])
def test_the_check_of_outputs_lets_fewer_bits_round(dtype: torch.dtype, off: float, same: bool) -> None:
    model, given = nn.Linear(4, 2), (torch.rand(2, 4),)
    model.register_buffer("of_its_precision", torch.zeros(1, dtype=dtype))
    assert exporting.same_outputs(model, lambda x: model(x) * (1 + off), given) == same
    assert not exporting.same_outputs(model, lambda x: model(x) * (1 + 5 * off), given)


def test_channels_last_orders_weights_once_and_inputs_in_every_call(tmp_path: Path) -> None:
    runtime, model, path = registry.method("eager_channels_last"), cnn(), tmp_path / "model.nhwc"
    runtime.export(model, images(2), path)
    assert not model[4].weight.is_contiguous(memory_format=torch.channels_last)
    served = torch.load(path, weights_only=False)
    assert served[4].weight.is_contiguous(memory_format=torch.channels_last)
    given = images(9)
    torch.testing.assert_close(runtime.load(path, CPU_1)(*given), model(*given).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("model", "given"), [(attend(), inputs(2)), (nn.Flatten(), images(2))])
def test_channels_last_refuses_what_has_no_convolution(model: nn.Module, given, tmp_path: Path) -> None:
    with pytest.raises(CellFailure, match="no convolution over 4-d inputs") as failure:
        registry.method("eager_channels_last").export(model, given, tmp_path / "model.nhwc")
    assert failure.value.status == "unsupported"


@pytest.mark.parametrize("name", ["torchscript", "torchscript-onednn=true"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_takes_networks_quantised_by_torch(name: str, tmp_path: Path) -> None:
    runtime, path = registry.method(name), tmp_path / "model.torchscript"
    prepared = prepare_fx(cnn(), get_default_qconfig_mapping("x86"), images(2))
    prepared(*images(64))
    quantised = convert_fx(prepared)
    runtime.export(quantised, images(2), path)
    given = images(9)
    assert torch.equal(runtime.load(path, CPU_1)(*given), quantised(*given))


def test_compiling_needs_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CellFailure, match=r"no C\+\+ compiler: .*apt-get install g\+\+") as failure:
        registry.method("torch_compile").export(cnn(), images(2), tmp_path / "model.pt2")
    assert failure.value.status == "unsupported"


@pytest.mark.skipif("openvino" not in RUNTIMES, reason="openvino is not installed")
def test_openvino_writes_what_it_reads_in_one_file(files, tmp_path: Path) -> None:
    runtime, copy = registry.method("openvino"), tmp_path / "copy.openvino"
    runtime.write(runtime.read(files["cnn.openvino"]), copy)
    with zipfile.ZipFile(copy) as archive:
        assert sorted(archive.namelist()) == ["model.bin", "model.xml"]
    given = images(5)
    torch.testing.assert_close(runtime.load(copy, CPU_1)(*given), cnn()(*given).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif("openvino" not in RUNTIMES, reason="openvino is not installed")
def test_openvino_reports_its_use_to_nobody(tmp_path: Path) -> None:
    code = f"""
import sys, torch
from pathlib import Path
from breakeven.units import registry
path = Path({str(tmp_path)!r}) / "model.openvino"
registry.method("openvino").export(torch.nn.Linear(4, 2).eval(), (torch.ones(2, 4),), path)
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_package_is_named_with_its_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, module = registry.method(name), sys.modules[type(registry.method(name)).__module__]
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, OPTIONAL[name], None)  # makes the import fail
    profile = registry.hardware("cuda_1") if name == "tensorrt" else CPU_1
    package = OPTIONAL[name].replace("_", "-")
    expected = f"the package {package} is not installed: run 'pip install {package}'"
    assert runtime.unsupported(None, profile) == expected  # type: ignore[arg-type]
    with pytest.raises(CellFailure) as failure:
        runtime.export(cnn(), images(2), tmp_path / f"model{runtime.suffix}")
    assert (failure.value.status, failure.value.reason) == ("unsupported", expected)


def test_exported_files_name_no_source_files(files) -> None:
    assert b".py" not in files["attend.onnx"].read_bytes()


def test_reasons_against_cuda_are_given_without_torch() -> None:
    code = """
import sys
from breakeven.units import registry
task, cpu, cuda = None, registry.hardware("cpu_1"), registry.hardware("cuda_1")
for name in ("onnxruntime", "int8_dynamic", "int8_static", "torchscript", "torch_compile", "openvino", "executorch"):
    method = registry.method(name)
    assert method.unsupported(task, cpu) is None or "pip install" in method.unsupported(task, cpu)
    assert "CPU" in method.unsupported(task, cuda)
assert "GPU" in registry.method("tensorrt").unsupported(task, cpu)
for name in ("eager", "eager_channels_last", "magnitude_pruning", "channel_pruning", "low_rank"):
    assert registry.method(name).unsupported(task, cuda) is None
heavy = {"torch", "onnx", "onnxruntime", "openvino", "executorch", "torch_tensorrt"} & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
