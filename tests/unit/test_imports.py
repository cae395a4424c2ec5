"""Imports point in one direction, and modules that people wait for import nothing heavy."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import breakeven

ENGINE = Path(breakeven.__file__).parent
ROOT = ENGINE.parents[1]
sys.path.append(str(ROOT / "docs"))
import api  # noqa: E402  the list of modules that units may import

HEAVY = {"torch", "torchvision", "pytorch_lightning", "torchmetrics", "timm", "transformers", "onnxruntime", "onnx"}
# People wait for these modules, and a light install has no torch.
LIGHT = ["cli", "grid", "jobs", "scoring", "units", "errors", "files", "hardware", "method", "results", "rows", "task"]


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Return our engine's modules and the other packages that a file imports. Type-checking blocks are ignored."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {_module(str(node.module), alias.name) for alias in node.names}
    return found


def _module(package: str, name: str) -> str:
    """Return the module that `from package import name` reads, or the package if it is not ours."""
    path = ENGINE.joinpath(*package.split(".")[1:], name)
    ours = package.partition(".")[0] == "breakeven"
    return f"{package}.{name}" if ours and (path.is_dir() or path.with_suffix(".py").exists()) else package


def relative_imports(path: Path) -> set[tuple[int, str]]:
    """Return, for each relative import, the number of levels up and the imported name."""
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.level)
    return {(node.level, name) for node in nodes for name in ([node.module] if node.module else _names(node))}


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def libraries(path: Path, **options: bool) -> set[str]:
    return {name.partition(".")[0] for name in imports(path, **options)}


def engine_files(box: str) -> list[Path]:
    return sorted((ENGINE / box).rglob("*.py")) or [ENGINE / f"{box}.py"]


def test_imports_of_the_engine_keep_the_declared_contracts() -> None:
    """Imports go downwards, in no circle; boards need no torch. pyproject.toml declares it, import-linter checks it."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_contracts_refuse_an_upward_import_and_a_circle(tmp_path: Path) -> None:
    shutil.copytree(ENGINE, tmp_path / "breakeven", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "breakeven" / "rows.py").open("a") as file:
        file.write("\n\nfrom breakeven.scoring import cost\n")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "breakeven.rows is not allowed to import breakeven.scoring" in done.stdout
    assert "No circles BROKEN" in done.stdout


@pytest.mark.parametrize("path", [path for box in LIGHT for path in engine_files(box)], ids=lambda path: path.stem)
def test_contracts_and_pure_functions_import_nothing_heavy(path: Path) -> None:
    # A task's loss uses torch, and so does a training method's optimiser: they import it inside the functions.
    assert not libraries(path, top_level_only=path.stem in ("method", "task")) & HEAVY


UNITS = sorted([*ROOT.glob("tasks/*/**/*.py"), *ROOT.glob("methods/*/**/*.py")])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: str(path.relative_to(ROOT)))
def test_units_import_the_contracts_and_never_one_another(path: Path) -> None:
    allowed = {f"breakeven.{name}" for name in api.PUBLIC}
    kind, group, *unit = path.relative_to(ROOT).with_suffix("").parts
    shared = f"breakeven.plugins.{kind}.{group}._"  # modules shared by the units of a domain
    own = f"breakeven.plugins.{kind}.{group}.{unit[0]}" if kind == "tasks" and len(unit) == 2 else shared
    for name in imports(path):
        if name.startswith("breakeven"):
            assert name in allowed or name == own or name.startswith((shared, f"{own}.")), name
    for level, name in relative_imports(path):  # outside of its own folder, a unit may import shared modules only
        assert level < len(unit) or (level == len(unit) and name.startswith("_")), name


@pytest.mark.parametrize("path", UNITS, ids=lambda path: str(path.relative_to(ROOT)))
def test_unit_files_import_heavy_libraries_only_where_they_use_them(path: Path) -> None:
    is_unit = path.parent.parent.parent == ROOT and not path.name.startswith("_")
    if is_unit or path.name == "__init__.py":  # the listing imports no other modules of units
        assert not libraries(path, top_level_only=True) & HEAVY


def test_the_dashboard_imports_only_what_reads_rows() -> None:
    allowed = ("environment", "errors", "protocol", "results", "rows", "scoring", "statistics", "units.catalogue")
    for path in ROOT.glob("dashboard/**/*.py"):
        for name in imports(path):
            box = name.removeprefix("breakeven.")
            assert not name.startswith("breakeven.") or box.startswith(allowed), f"{path}: {name}"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list"], ["check", "workflow/config/full.yaml"], ["methods"], ["methods", "magnitude_pruning"]),
        *(["tasks"], ["tasks", "fashion_mnist"]),
    ],
)
def test_listing_and_checking_import_no_torch(arguments: list[str]) -> None:
    code = (
        f"import sys; from breakeven.cli.main import run; assert run({arguments!r}) == 0; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
