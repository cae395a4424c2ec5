"""Units are found by their place in every content root, and their text has one spelling."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakeven.method import CompressionMethod, Runtime, TrainingMethod
from breakeven.task import Task
from breakeven.units import registry

UNIT = """
from pydantic import Field
from pydantic.dataclasses import dataclass
from breakeven.method import CompressionMethod

@dataclass(frozen=True)
class {name}(CompressionMethod):
    reference = "none"
    strength: float = Field(0.5, ge=0)
    steps: int = 3
    mode: str = "plain"

    def compress(self, model, context):
        return model
"""


def add(root: Path, name: str) -> Path:
    path = root / "methods" / "compression" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(UNIT.format(name=name.title()))
    return path


def test_the_repository_has_its_units() -> None:
    assert {"fashion_mnist", "movie_sentiment", "mandarin_initials"} <= registry.units("tasks").keys()
    assert {"cpu_1", "cpu_2", "cpu_2x1", "cuda_1"} <= registry.units("hardware").keys()
    contracts = {"int8_static": registry.Method, "low_rank": CompressionMethod, "eager": Runtime, "ddp": TrainingMethod}
    for name, contract in contracts.items():
        assert isinstance(registry.method(name), contract)


@pytest.mark.parametrize("name", registry.units("tasks"))
def test_a_task_states_what_its_rows_need(name: str) -> None:
    task = registry.task(name)
    assert isinstance(task, Task)
    assert task.data_kind in ("recorded", "composed", "synthetic")
    assert task.title and task.licence and task.domain == registry.find("tasks", name).group
    assert task.quality.metric and task.recipe.epochs > 0
    text = (sys.modules[type(task).__module__].__doc__ or "").lower()
    for part in ("data:", "split:", "model:", "metric:", "baseline:", "known limits:"):
        assert part in text, f"the docstring of {name} says nothing of its {part[:-1]}"


@pytest.mark.parametrize("name", registry.units("methods"))
def test_a_method_names_its_source(name: str) -> None:
    assert registry.method(name).reference


def test_one_spelling(content_root: Path) -> None:
    add(content_root, "mine")
    assert registry.identify("methods", "mine") == "mine"
    assert registry.identify("methods", "mine-strength=0.50-steps=3") == "mine"
    assert registry.identify("methods", "mine-steps=4-strength=1e-1") == "mine-strength=0.1-steps=4"
    assert registry.identify("methods", "mine-mode=a-b.c") == "mine-mode=a-b.c"
    assert registry.parameters(registry.method("mine-steps=4")) == {"strength": 0.5, "steps": 4, "mode": "plain"}


def test_the_files_of_a_unit(content_root: Path) -> None:
    single = add(content_root, "mine")
    folder = content_root / "methods" / "compression" / "several"
    folder.mkdir()
    for name in ("__init__.py", "parts.py"):
        (folder / name).write_text(UNIT.format(name="Several") if name == "__init__.py" else "")
    registry.forget()
    assert registry.find("methods", "mine").sources == [str(single)]
    assert registry.find("methods", "several").sources == [str(folder / "__init__.py"), str(folder / "parts.py")]
    assert registry.method("several").steps == 3


def test_folders_on_breakeven_path(tmp_path: Path) -> None:
    add(tmp_path / "a", "first")
    add(tmp_path / "b", "second")
    code = "from breakeven.units.registry import method; print(method('first').steps, method('second').steps)"
    environment = {**os.environ, "BREAKEVEN_PATH": f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["3", "3"], done.stderr


def test_a_missing_folder_on_breakeven_path(tmp_path: Path) -> None:
    environment = {**os.environ, "BREAKEVEN_PATH": str(tmp_path / "none")}
    command = [sys.executable, "-m", "breakeven", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"breakeven: $BREAKEVEN_PATH: {tmp_path / 'none'}: no such directory: correct or unset the variable\n"
    )


def test_installed_entry_points(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(UNIT.format(name="Elsewhere"))
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[breakeven.methods]\nelsewhere = elsewhere:Elsewhere\n")
    code = (
        "from breakeven.units import registry; unit = registry.find('methods', 'elsewhere');"
        "print(unit.path, registry.method('elsewhere-steps=5').steps)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(tmp_path / "elsewhere.py"), "5"], done.stderr
