"""Writes docs/api.md, the public face of the engine: the modules and names that units import. `make docs` runs it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "workflow" / "breakeven"
PAGE = Path(__file__).with_suffix(".md")

# The one list of modules that units may import. Adding a name is a release note; removing one breaks units.
PUBLIC = [
    *("task", "method", "hardware", "errors", "data", "data.loaders", "data.published"),
    *("components.exporting", "components.graphs", "components.lengths", "components.arithmetic"),
    *("components.image_classification", "components.image_networks"),
    *("components.training_ranks", "components.serving_ranks"),
]
HEAD = """# The public face

*`make docs` writes this page from the code.* Third-party units import these modules and no others. A test compares this
page with the code, so a name or a signature changes only together with this page.
"""
Definition = ast.ClassDef | ast.FunctionDef


def page() -> str:
    """The text of docs/api.md."""
    return "\n".join([HEAD, *(line for module in PUBLIC for line in _module(module))])


def _module(name: str) -> Iterator[str]:
    tree = _tree(name)
    yield f"\n## `breakeven.{name}`\n\n{_summary(tree, name)}\n"
    yield "| name | what it is |\n|---|---|"
    for definition in _definitions(name, tree):
        yield f"| `{_signature(definition)}` | {_summary(definition, f'{name}.{definition.name}')} |"
        if isinstance(definition, ast.ClassDef):
            yield from _members(definition, name)


def _members(owner: ast.ClassDef, module: str) -> Iterator[str]:
    for member in owner.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
            where = f"{module}.{owner.name}.{member.name}"
            yield f"| `{owner.name}.{_signature(member)}` | {_summary(member, where)} |"
        elif isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith("_"):
            yield f"| `{owner.name}.{ast.unparse(member.target)}: {_plain(member.annotation)}` | |"


def _definitions(name: str, tree: ast.Module) -> list[Definition]:
    """The public classes and functions of a module, where it imports them from another of ours too."""
    own = [each for each in tree.body if isinstance(each, ast.ClassDef | ast.FunctionDef)]
    found = {each.name: each for each in own if not each.name.startswith("_")}
    for each in tree.body:
        if name == "data" and isinstance(each, ast.ImportFrom) and each.module:
            there = {d.name: d for d in _tree(each.module.removeprefix("breakeven.")).body if isinstance(d, Definition)}
            found |= {alias.name: there[alias.name] for alias in each.names}
    return list(found.values())


def _tree(name: str) -> ast.Module:
    path = ENGINE.joinpath(*name.split("."))
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


def _signature(definition: Definition) -> str:
    if isinstance(definition, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, definition.bases))
        return f"class {definition.name}({bases})" if bases else f"class {definition.name}"
    returns = f" -> {_plain(definition.returns)}" if definition.returns else ""
    return f"{definition.name}({ast.unparse(definition.args)}){returns}".replace("|", "\\|")


def _plain(annotation: ast.expr) -> str:
    return ast.unparse(annotation).replace("|", "\\|")


def _summary(node: ast.Module | Definition, where: str) -> str:
    text = ast.get_docstring(node)
    if not text:
        sys.exit(f"docs/api.py: breakeven.{where}: has no docstring: write one")
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
