"""Checks of data, disks, packages and the environment."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from breakeven.data import store
from breakeven.data.archives import Debian, DebianIndexes, PyPI, Source
from breakeven.environment import FOR_LIBRARIES
from breakeven.machine.provenance import LIBRARIES, package_version
from breakeven.plugins import REPOSITORY
from breakeven.trust.doctor.finding import Finding, Level, existing
from breakeven.units import registry
from breakeven.units.registry import Unit

LOCK = REPOSITORY / "requirements.lock"
KINDS: dict[str, type[Source]] = {"Debian": Debian, "DebianIndexes": DebianIndexes, "PyPI": PyPI}
# What the data of all tasks, and the results of the default grid, take; a grid of large models takes ten times that.
NEEDED_GB = 1.0
AMPLE_GB = 10 * NEEDED_GB
PUBLIC = "of its own site, or given by you: "  # data that no package index has
SHOWN = 5  # packages that differ; the others are counted
# Variables that change how fast the same program runs.
SPEED = re.compile(
    r"(OMP|GOMP|KMP|MKL|OPENBLAS|MALLOC|PYTORCH)_\w+|LD_PRELOAD|GLIBC_TUNABLES"
    r"|CUDA_VISIBLE_DEVICES|CUDA_LAUNCH_BLOCKING|NVIDIA_TF32_OVERRIDE|PYTHONMALLOC|PYTHONDEVMODE"
)


def task_data() -> Finding:
    """Whether the data of every task is there, or can be had. Fetches nothing."""
    ready, coming, lost, public = [], [], [], []
    for name, unit in registry.units("tasks").items():
        sources = list(_sources(unit))
        wanted = [] if _is_prepared(unit) else [s for s in sources if store.at_hand(s) is None]
        if not sources and not _is_prepared(unit):
            public.append(name)
        elif any(not _client(source) and not _given(source) for source in wanted):
            lost.append(name)
        elif wanted:
            coming.append(f"{name} ({', '.join(source.filename for source in wanted)})")
        else:
            ready.append(name)
    parts = {"at hand: ": ready, "fetched when it is needed: ": coming, "cannot be fetched: ": lost, PUBLIC: public}
    found = "; ".join(f"{text}{', '.join(names)}" for text, names in parts.items() if names)
    if lost:
        remedy = f"install apt-get or pip, or set BREAKEVEN_CACHE to a copy of another machine's {store.cache()}"
        return Finding("data", Level.WARNING, found, remedy)
    return Finding("data", Level.NOTE if coming else Level.OK, found or "no tasks")


def _is_prepared(unit: Unit) -> bool:
    return store.is_prepared(f"{unit.name}-v{registry.task(unit.name).version}", unit.sources)


def _sources(unit: Unit) -> Iterator[Source]:
    """The sources that a task's files name: read, not imported, since with them comes torch."""
    for file in unit.sources:
        for node in ast.walk(ast.parse(Path(file).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                arguments = [ast.literal_eval(value) for value in node.args]
                named = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
                yield KINDS[node.func.id](*arguments, **named)


def _client(source: Source) -> bool:
    """Whether the package client that fetches a source is here."""
    return (
        shutil.which("apt-get") is not None
        if isinstance(source, Debian | DebianIndexes)
        else find_spec("pip") is not None
    )


def _given(source: Source) -> bool:
    return (store.cache() / "downloads" / source.filename).exists()


def cache_folder() -> Finding:
    """Where data is kept."""
    return _folder("cache", store.cache(), "set BREAKEVEN_CACHE to a folder on another disk")


def results_folder(folder: Path = REPOSITORY / "results") -> Finding:
    """Where a run writes."""
    return _folder("results", folder, "name a folder on another disk: snakemake --config results=FOLDER")


def _folder(check: str, path: Path, remedy: str) -> Finding:
    there = existing(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(check, Level.PROBLEM, f"{path}: cannot be written", remedy)
    free = shutil.disk_usage(there).free / 1e9
    found = f"{free:.1f} GB are free for {path}"
    if free < NEEDED_GB:
        return Finding(check, Level.PROBLEM, f"{found}; the default grid needs up to {NEEDED_GB:g}", remedy)
    if free < AMPLE_GB:
        return Finding(check, Level.WARNING, f"{found}; grids of large models need up to {AMPLE_GB:g}", remedy)
    return Finding(check, Level.OK, found)


def packages(lock: Path = LOCK) -> Finding:
    """Whether the packages are those of the lock file."""
    if not lock.exists():
        return Finding("packages", Level.NOTE, f"no {lock}: versions cannot be compared")
    lines = (line.partition(";")[0].strip().partition("==") for line in lock.read_text().splitlines())
    wanted = {name: version for name, _, version in lines if version and not name.startswith("#")}
    differ = {name: package_version(name) for name, version in wanted.items() if package_version(name) != version}
    if not differ:
        return Finding("packages", Level.OK, f"Python {platform.python_version()}, {len(wanted)} packages as locked")
    named = [f"{name} {found or 'missing'}, locked {wanted[name]}" for name, found in differ.items()]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    fatal = any(found is None and name in LIBRARIES for name, found in differ.items())
    level = Level.PROBLEM if fatal else Level.WARNING
    return Finding("packages", level, f"{'; '.join(named[:SHOWN])}{more}", "make setup")


def variables(environment: Mapping[str, str] = os.environ) -> Finding:
    """Variables of the environment that change speed, but for those that the engine sets itself."""
    given = {name: value for name, value in sorted(environment.items()) if FOR_LIBRARIES.get(name) != value}
    found = {name: value for name, value in given.items() if SPEED.fullmatch(name)}
    if not found:
        return Finding("variables", Level.OK, "none that changes speed")
    named = ", ".join(f"{name}={value}" for name, value in found.items())
    return Finding("variables", Level.WARNING, f"change speed: {named}", f"unset {' '.join(found)}")
