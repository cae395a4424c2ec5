"""The parts of Snakemake's internals that Breakeven uses exist. A failure names the part that a new version changed."""

from __future__ import annotations

import inspect
import re
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from breakeven.jobs.snakemake import NOISE, USES

VERSION = metadata.version("snakemake")
SLURM = "snakemake_executor_plugin_slurm"
PARTS = [(owner, name, purpose) for owner, parts in USES.items() for name, purpose in parts.items()]


def has(owner: type, name: str) -> bool:
    """Tell if a class has an attribute: its own, a field, or one set by its methods."""
    known = hasattr(owner, name) or name in getattr(owner, "__dataclass_fields__", {})
    return known or any(
        re.search(rf"\bself\.{name}\b(: [^=\n]+)? = ", inspect.getsource(each)) for each in owner.__mro__[:-1]
    )


@pytest.mark.parametrize(("owner", "name", "purpose"), PARTS)
def test_what_is_used_is_there(owner: str, name: str, purpose: str) -> None:
    import_module("snakemake.api")  # import it first, because Snakemake's modules import one another in a circle
    module, cls = owner.split(":")
    if module == SLURM and find_spec(SLURM) is None:
        pytest.skip("the extra `slurm` is not installed")
    assert has(getattr(import_module(module), cls), name), f"Snakemake {VERSION} has no {owner}.{name}, which {purpose}"


def test_what_is_not_there_is_noticed() -> None:
    from snakemake.api import Workflow

    assert not has(Workflow, "no_such_part")


@pytest.mark.parametrize("message", NOISE)
def test_a_message_that_is_left_out_is_still_one_of_snakemakes(message: str) -> None:
    words = max(re.split(r"\.\*|\\d\+|\[[^]]*\]\+|\n|:", message.replace("\\n", "\n")), key=len).strip()
    packages = [spec.submodule_search_locations for name in ("snakemake", SLURM) if (spec := find_spec(name))]
    sources = (path for folders in packages for folder in folders or () for path in Path(folder).rglob("*.py"))
    said = any(words in re.sub(r'"\s*f?"', "", path.read_text()) for path in sources)
    assert said, f"no source of Snakemake {VERSION} says '{words}': correct breakeven.jobs.snakemake.NOISE"
