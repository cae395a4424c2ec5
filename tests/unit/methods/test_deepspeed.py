"""DeepSpeed, an optional package: the message without it, the stages it offers, and the meaning of a skipped step."""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytorch_lightning.strategies import DeepSpeedStrategy

from breakeven.errors import CellFailure, UserError
from breakeven.files import read_json
from breakeven.units import registry


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    method, profile = registry.method("deepspeed"), registry.hardware("cpu_2x1")
    monkeypatch.setattr(sys.modules[type(method).__module__], "find_spec", lambda _: None)
    expected = "the package deepspeed is not installed (cpu_2x1): run 'pip install deepspeed'"
    assert method.unsupported(registry.task("fashion_mnist"), profile) == expected
    with pytest.raises(CellFailure) as failure:
        method.trainer_kwargs(profile)
    assert (failure.value.status, failure.value.reason) == ("unsupported", expected)


@pytest.mark.parametrize("stage", [0, 4])
def test_a_stage_that_there_is_not_is_refused(stage: int) -> None:
    with pytest.raises(UserError, match="stage"):
        registry.method(f"deepspeed-stage={stage}")


def test_a_step_that_the_engine_leaves_out_is_a_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = registry.find("methods", "deepspeed").module.rpartition(".")[0]
    strategy = object.__new__(import_module(f"{folder}._zero").ZeRO)
    strategy._lightning_module = SimpleNamespace(folder=tmp_path)
    monkeypatch.setattr(DeepSpeedStrategy, "optimizer_step", lambda *_: "loss")
    strategy._model = SimpleNamespace(skipped_steps=0, global_steps=6)
    assert strategy.optimizer_step("optimizer", "closure") == "loss"
    strategy._model = SimpleNamespace(skipped_steps=1, global_steps=7)
    with pytest.raises(CellFailure, match="step 7"):
        strategy.optimizer_step("optimizer", "closure")
    assert read_json(tmp_path / "failure.json")["status"] == "diverged"
