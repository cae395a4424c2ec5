"""Imports run one way, and what people wait for imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import breakeven

ENGINE = Path(breakeven.__file__).parent
ROOT = ENGINE.parents[1]
HEAVY = {"torch", "torchvision", "pytorch_lightning", "torchmetrics", "timm", "transformers", "onnxruntime", "onnx"}
OUTER = {"snakemake", "streamlit"}
LIGHT = [
    *("files", "task", "method", "hardware", "record", "grid", "registry", "chain", "schema", "errors"),
    *("cost", "statistics", "ratios", "leaderboard", "figures", "terminal", "progress"),
    *("ranking", "overall", "cheapest", "tables", "answer", "curves", "catalogue", "documentation", "listing"),
    *("scaling", "slurm", "bundles", "cluster"),
]
STAGES = {"training", "compression", "evaluation", "measurement"}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Modules that a file imports; those of our engine by their own name. Type-checking blocks do not count."""
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
        elif isinstance(node, ast.ImportFrom) and node.module == "breakeven":
            found |= {f"breakeven.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
    return found


def relative_imports(path: Path) -> set[tuple[int, str]]:
    """How many folders up, and what from there."""
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.level)
    return {(node.level, name) for node in nodes for name in ([node.module] if node.module else _names(node))}


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def libraries(path: Path, **options: bool) -> set[str]:
    return {name.partition(".")[0] for name in imports(path, **options)}


@pytest.mark.parametrize("name", LIGHT)
def test_contracts_and_pure_functions_import_nothing_heavy(name: str) -> None:
    # a task's loss computes, and a training method's optimiser is torch's: inside the functions that use them
    found = libraries(ENGINE / f"{name}.py", top_level_only=name in ("method", "task"))
    assert not found & (HEAVY | OUTER)


@pytest.mark.parametrize("path", sorted(ENGINE.glob("*.py")), ids=lambda path: path.stem)
def test_the_engine_knows_neither_snakemake_nor_streamlit(path: Path) -> None:
    assert not libraries(path) & OUTER


@pytest.mark.parametrize("name", sorted(STAGES))
def test_stages_do_not_import_one_another(name: str) -> None:
    others = {f"breakeven.{other}" for other in STAGES - {name}} | {
        "breakeven.stages",
        "breakeven.cell",
        "breakeven.training_cell",
    }
    assert not imports(ENGINE / f"{name}.py") & others


UNITS = sorted([*ROOT.glob("tasks/*/**/*.py"), *ROOT.glob("methods/*/**/*.py")])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: str(path.relative_to(ROOT)))
def test_units_import_the_contracts_and_never_one_another(path: Path) -> None:
    names = "task method errors data datamodule published sources exporting graphs lengths networks ranks crew"
    allowed = {f"breakeven.{name}" for name in names.split()}
    kind, group, *unit = path.relative_to(ROOT).with_suffix("").parts
    shared = f"breakeven.plugins.{kind}.{group}._"  # what units of a domain share
    own = f"breakeven.plugins.{kind}.{group}.{unit[0]}" if kind == "tasks" and len(unit) == 2 else shared
    for name in imports(path):
        if name.startswith("breakeven"):
            assert name in allowed or name == own or name.startswith((shared, f"{own}.")), name
    for level, name in relative_imports(path):  # out of its own folder, a unit sees what is shared
        assert level < len(unit) or (level == len(unit) and name.startswith("_")), name


@pytest.mark.parametrize("path", UNITS, ids=lambda path: str(path.relative_to(ROOT)))
def test_unit_files_import_heavy_libraries_only_where_they_use_them(path: Path) -> None:
    is_unit = path.parent.parent.parent == ROOT and not path.name.startswith("_")
    if is_unit or path.name == "__init__.py":  # the other modules of a unit, and what units share, are not listed
        assert not libraries(path, top_level_only=True) & HEAVY


def test_the_dashboard_imports_only_what_reads_rows() -> None:
    allowed = {"breakeven", "breakeven.record", "breakeven.cost", "breakeven.leaderboard", "breakeven.errors"}
    allowed.add("breakeven.ratios")
    allowed |= {"breakeven.figures", "breakeven.overall", "breakeven.cheapest", "breakeven.curves", "breakeven.scaling"}
    allowed.add("breakeven.catalogue")  # what is said of the methods: it imports no more of them than their parameters
    allowed |= {"breakeven.ranking", "breakeven.statistics", "breakeven.energy"}  # their constants, for the protocol
    allowed.add("breakeven.PROTOCOL_VERSION")
    for path in ROOT.glob("dashboard/**/*.py"):
        assert {name for name in imports(path) if name.startswith("breakeven")} <= allowed, path


def test_rules_know_the_grid_and_how_a_run_lives() -> None:
    lines = [line for path in ROOT.glob("workflow/rules/*.smk") for line in path.read_text().splitlines()]
    found = {line for line in lines if line.startswith(("import breakeven", "from breakeven"))}
    assert found == {
        "from breakeven import cluster, grid",
        "from breakeven.bundles import TURN, Bundles",
        "from breakeven.errors import UserError",
        "from breakeven.forkserver import running",
        "from breakeven.forkserver import serving",
    }


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
    assert done.stdout.splitlines()[-1:] == ["0 False"], done.stderr
