"""Writes ARCHITECTURE.md from the engine's docstrings and imports: `make docs`.

`python docs/architecture.py --figures FOLDER` prints the boxes, floors, arrows and circles of the package `breakeven`
in the folder `workflow` of another checkout.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from string import Template

import grimp

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "workflow" / "breakeven"
PAGE, TEMPLATE = ROOT / "ARCHITECTURE.md", Path(__file__).with_suffix(".template.md")
STAGES = ["prepare", "train", "compress", "evaluate", "measure", "collect"]
OUTPUTS = {
    "prepare": "the record of a task's data, with its hash",
    "train": "the trained model, its record, a row of the training board",
    "compress": "the next artifact of a chain, with its record",
    "evaluate": "quality with its interval, and a few stored outputs",
    "measure": "the rows of a cell, one per scenario, and every timed call",
    "collect": "the boards `training.parquet` and `inference.parquet`",
}

WAY = [
    ("breakeven.grid.cells.expand", "turns the config into cells; every name and parameter is checked here"),
    ("breakeven.grid.chain.parse", "checks the order of a chain's steps"),
    ("breakeven.results.cell", "names the folder of each cell; rules ask `breakeven.results` for every path"),
    ("breakeven.cli.stages.measure", "is the verb that a rule's line calls; each stage has one"),
    ("breakeven.jobs.forkserver.forward", "hands the verb to a process that has imported the heavy libraries"),
    ("breakeven.jobs.supervision.supervise", "runs the stage under the limits of memory and time, and tries again"),
    ("breakeven.stages.train.fit.fit", "trains the model by Lightning, on a clock of its own"),
    ("breakeven.stages.compress.step.run_step", "applies one step of the chain and leaves the next artifact"),
    ("breakeven.stages.evaluate.quality.evaluate_file", "finds the quality on the whole test set, with an interval"),
    ("breakeven.stages.measure.lockstep.measure", "times the cell beside its reference, both taking turns"),
    ("breakeven.stages.measure.figures.fill_timing", "turns the timed windows into the figures of the row"),
    ("breakeven.stages.collect.collect", "joins the rows of all cells into a board"),
    ("breakeven.scoring.ratios.with_ratios", "sets each row against its reference"),
    ("breakeven.scoring.leaderboard.rank", "applies the quality gate and ranks, with ties"),
]

CHANGES = [
    ("add a method", ["methods"], "a file in the folder of its kind; nothing else (CONTRIBUTING.md)"),
    ("add a task", ["tasks"], "a file in the folder of its domain"),
    ("add a hardware profile", ["hardware", "workflow/schemas/hardware.schema.yaml"], "a YAML file"),
    ("a threshold or a duration of the protocol", ["workflow/breakeven/protocol.py"], "and `PROTOCOL_VERSION`"),
    ("a column of the rows", ["workflow/breakeven/rows.py"], "and `SCHEMA_VERSION`; `make docs` renews docs/rows.md"),
    ("a check of rows (`breakeven validate`)", ["workflow/breakeven/trust/rules.py"], ""),
    ("how a cell is timed", ["workflow/breakeven/stages/measure/lockstep.py"], "run `breakeven calibrate` after it"),
    ("how ranks and ties are formed", ["workflow/breakeven/scoring/ties.py"], ""),
    ("a cost or the break-even point", ["workflow/breakeven/scoring/cost.py"], "docs/cost.md is run as a test"),
    ("a key of the grid", ["workflow/schemas/config.schema.yaml", "workflow/breakeven/grid/cells.py"], ""),
    ("a folder or file name of the results", ["workflow/breakeven/results.py"], ""),
    ("an environment variable", ["workflow/breakeven/environment.py"], ""),
    ("how jobs start, end and are tried again", ["workflow/breakeven/jobs/supervision.py"], ""),
    ("what a job asks of SLURM", ["workflow/breakeven/jobs/slurm.py"], ""),
    ("an answer on the command line", ["workflow/breakeven/cli"], "tables are in `boards.py` and `tables.py`"),
    ("a page of the dashboard", ["dashboard/views"], "one file per page; `charts.py` has what they share"),
]

CHOICES = [
    "The module of the cache folder is `breakeven.data.store`, because units use the function `breakeven.data.cache`.",
    "Rules of rows are our own (`trust/rules.py`). pandera 0.35 was tried on ten of them with a million rows: 2.7 "
    "s of CPU time against 2.5 s, 17 lines against 10, and 1.5 s to import. Rules between columns stay the same "
    "lambdas in pandera, which reports each broken one once per column. Remedies and messages filled in from the "
    "row would still be ours.",
    "Ranks are a plain loop over each group (`scoring/ties.py`). One vectorised pass over all groups took 2.35 s "
    "of CPU time for a million rows in groups of 20, the loop takes 3.96 s. In one group of a million rows both "
    "take 2.22 s.",
    "The interval of a ratio of two costs is Cochran's (`statistics.margin`). It is as simple as "
    "Welch-Satterthwaite's and covers the truth in 95.1 to 98.7 % of simulated cases, the other in 93.2 to 96.5 % "
    "(`benchmarks/coverage.py`).",
    "Student's quantile is computed in `statistics.py`. scipy has it, and would be a quarter of the light "
    "install. A test holds it to scipy's within 1e-10.",
    "hatchling builds the wheel: one table puts `dashboard/`, `tasks/`, `methods/`, `hardware/`, the schemas and "
    "the published rows into it, and each stays where it is in the repository.",
    "`config` and `profiles` at the top level are links into `workflow/`: Snakemake and its catalogue look there.",
]


def boxes(package: str) -> dict[str, set[str]]:
    """The boxes directly below a package, each with the boxes that it imports."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True)
    children = graph.find_children(package)
    for child in children:
        if graph.find_children(child):
            graph.squash_module(child)
    imports = {child: graph.find_modules_directly_imported_by(child) & children - {child} for child in children}
    return {_last(box): set(map(_last, imported)) for box, imported in imports.items()}


def heights(imports: dict[str, set[str]]) -> dict[str, int]:
    """The floor of each box, from 1: one above the highest box that it imports.

    Raises:
        CycleError: the imports run in a circle.
    """
    found: dict[str, int] = {}
    for box in TopologicalSorter(imports).static_order():
        found[box] = 1 + max((found[each] for each in imports[box]), default=0)
    return found


def circles(imports: dict[str, set[str]]) -> int:
    """How many boxes would have to go for the imports to run in no circle; found greedily."""
    left, removed = dict(imports), 0
    while True:
        try:
            heights(left)
        except CycleError as error:
            gone = error.args[1][0]
            left = {box: each - {gone} for box, each in left.items() if box != gone}
            removed += 1
        else:
            return removed


def figures(imports: dict[str, set[str]]) -> dict[str, str]:
    """Counts of boxes, floors, arrows and circles, in words."""
    arrows = sum(map(len, imports.values()))
    broken = circles(imports)
    floors = "no order" if broken else str(max(heights(imports).values()))
    counted = {0: "no circle", 1: "one circle"}.get(broken, f"{broken} circles")
    return {"boxes": str(len(imports)), "floors": floors, "arrows": str(arrows), "circles": counted}


def declared_floors() -> list[list[str]]:
    """The floors that pyproject.toml declares, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    return [[box.strip() for box in layer.replace("|", ":").split(":")] for layer in layers]


def picture(imports: dict[str, set[str]]) -> str:
    """A Mermaid graph of the floors, with the arrows that no longer way replaces."""
    lines = ["```mermaid", "flowchart TB"]
    for number, floor in enumerate(declared_floors()):
        lines.append(f'    subgraph floor{number}[" "]')
        lines.append("        direction LR")
        lines += [f'        {box}["{box if _is_package(box) else f"{box}.py"}"]' for box in floor]
        lines.append("    end")
    below = {box: _reached(box, imports) for box in imports}
    for box in sorted(imports):
        longer = {far for near in imports[box] for far in below[near]}
        lines += [f"    {box} --> {each}" for each in sorted(imports[box] - longer)]
    return "\n".join([*lines, "```"])


def rooms() -> str:
    """A table of the boxes, from the top floor down, each with its docstring and its modules."""
    rows = ["| room | content |", "|---|---|"]
    for box in (box for floor in declared_floors() for box in floor):
        rows.append(f"| **`{_path(box).relative_to(ENGINE)}`** | {_summary(_path(box))} |")
        if _is_package(box):
            rows += [f"| `{path.relative_to(ENGINE)}` | {_summary(path)} |" for path in _modules(ENGINE / box)]
    return "\n".join(rows)


def stages() -> str:
    """A table of the stages: rule file, verb, room, and the output of each."""
    rows = ["| stage | rule | verb | room | leaves |", "|---|---|---|---|---|"]
    for stage in STAGES:
        room = _path(f"stages/{stage}")
        rule = ROOT / "workflow" / "rules" / f"{stage}.smk"
        for path in (room, rule):
            if not path.exists():
                sys.exit(f"docs/architecture.py: {path}: no such file: correct STAGES")
        shown = room.relative_to(ENGINE).as_posix()
        rows.append(f"| {stage} | `workflow/rules/{stage}.smk` | `breakeven {stage}` | `{shown}` | {OUTPUTS[stage]} |")
    return "\n".join(rows)


def way() -> str:
    """A numbered list of the functions that a cell passes through."""
    return "\n".join(f"{number}. `{_known(name)}` {text}." for number, (name, text) in enumerate(WAY, 1))


def changes() -> str:
    """A table: the change, and the files to go to."""
    rows = ["| to change | go to | and |", "|---|---|---|"]
    for change, places, remark in CHANGES:
        for place in places:
            if not (ROOT / place).exists():
                sys.exit(f"docs/architecture.py: {place}: no such file: correct CHANGES")
        rows.append(f"| {change} | {', '.join(f'`{place}`' for place in places)} | {remark} |")
    return "\n".join(rows)


def page() -> str:
    """The text of ARCHITECTURE.md."""
    imports = boxes("breakeven")
    parts = {"picture": picture(imports), "rooms": rooms(), "stages": stages(), "way": way(), "changes": changes()}
    parts["choices"] = "\n".join(f"- {choice}" for choice in CHOICES)
    return Template(TEMPLATE.read_text()).substitute(parts, **figures(imports))


def _last(module: str) -> str:
    return module.rpartition(".")[2]


def _is_package(box: str) -> bool:
    return (ENGINE / box).is_dir()


def _path(box: str) -> Path:
    return ENGINE / box if _is_package(box) else ENGINE / f"{box}.py"


def _modules(package: Path) -> Iterable[Path]:
    """The rooms of a package: its modules, and its folders with their modules."""
    for path in sorted(package.iterdir()):
        if path.is_dir() and (path / "__init__.py").exists():
            yield path
            yield from _modules(path)
        elif path.suffix == ".py" and not path.name.startswith("__"):
            yield path


def _summary(path: Path) -> str:
    """The first line of a module's docstring."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text()))
    if not text:
        sys.exit(f"docs/architecture.py: {file}: has no docstring: write one")
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _reached(box: str, imports: dict[str, set[str]]) -> set[str]:
    """All boxes below a box."""
    return imports[box] | {far for near in imports[box] for far in _reached(near, imports)}


def _known(name: str) -> str:
    """The dotted name of a function, once it is known to exist."""
    module, _, function = name.rpartition(".")
    path = ENGINE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    found = {each.name for each in ast.parse(path.read_text()).body if isinstance(each, ast.FunctionDef)}
    if function not in found:
        sys.exit(f"docs/architecture.py: {name}: no such function: correct WAY")
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, help="folder that holds the package breakeven of another checkout")
    folder = parser.parse_args().figures
    if folder:
        sys.path.insert(0, str(folder.resolve()))
        print(", ".join(f"{name}: {value}" for name, value in figures(boxes("breakeven")).items()))
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
