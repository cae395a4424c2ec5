"""Checks data, disks, packages and the environment."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from breakeven.data import store
from breakeven.data.archives import Debian, DebianIndexes, Source
from breakeven.environment import FOR_LIBRARIES
from breakeven.machine.provenance import LIBRARIES, package_version
from breakeven.plugins import REPOSITORY
from breakeven.task import Task
from breakeven.trust.doctor.finding import Finding, Level, existing
from breakeven.units import registry

LOCK = REPOSITORY / "requirements.lock"
# Enough for the data of all tasks and the results of the default grid. A grid of large models needs ten times as much.
NEEDED_GB = 1.0
AMPLE_GB = 10 * NEEDED_GB
PUBLIC = "from its own site, or given by you: "  # data that no package index has
SHOWN = 5  # different packages that are named; the others are counted
# Variables that change the speed of a program.
SPEED = re.compile(
    r"(OMP|GOMP|KMP|MKL|OPENBLAS|MALLOC|PYTORCH)_\w+|LD_PRELOAD|GLIBC_TUNABLES"
    r"|CUDA_VISIBLE_DEVICES|CUDA_LAUNCH_BLOCKING|NVIDIA_TF32_OVERRIDE|PYTHONMALLOC|PYTHONDEVMODE"
)


def task_data() -> Finding:
    """Check that the data of each task is at hand, or can be fetched. This fetches nothing."""
    ready, coming, lost, public = [], [], [], []
    for name, unit in registry.units("tasks").items():
        task: type[Task] = registry.load("tasks", name)
        prepared = store.is_prepared(f"{name}-v{task.version}", unit.sources, task.archives)
        wanted = [] if prepared else [archive for archive in task.archives if store.at_hand(archive) is None]
        if not task.archives and not prepared:
            public.append(name)
        elif any(not _has_client(archive) and not _is_given(archive) for archive in wanted):
            lost.append(name)
        elif wanted:
            coming.append(f"{name} ({', '.join(archive.filename for archive in wanted)})")
        else:
            ready.append(name)
    parts = {"at hand: ": ready, "fetched when needed: ": coming, "cannot be fetched: ": lost, PUBLIC: public}
    found = "; ".join(f"{text}{', '.join(names)}" for text, names in parts.items() if names)
    if lost:
        remedy = f"install apt-get or pip, or set BREAKEVEN_CACHE to a copy of another machine's {store.cache()}"
        return Finding("data", Level.WARNING, found, remedy)
    return Finding("data", Level.NOTE if coming else Level.OK, found or "no tasks")


def _has_client(archive: Source) -> bool:
    """Tell whether this machine has the package client that fetches the archive."""
    if isinstance(archive, Debian | DebianIndexes):
        return shutil.which("apt-get") is not None
    return find_spec("pip") is not None


def _is_given(archive: Source) -> bool:
    return (store.cache() / "downloads" / archive.filename).exists()


def cache_folder() -> Finding:
    """Check the folder that keeps data: it must be writable and have free space."""
    return _folder("cache", store.cache(), "set BREAKEVEN_CACHE to a folder on another disk")


def results_folder(folder: Path = REPOSITORY / "results") -> Finding:
    """Check the folder that a run writes to: it must be writable and have free space."""
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
    """Compare the installed packages with the lock file."""
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
    """List environment variables that change the speed, other than those that the engine sets itself."""
    given = {name: value for name, value in sorted(environment.items()) if FOR_LIBRARIES.get(name) != value}
    found = {name: value for name, value in given.items() if SPEED.fullmatch(name)}
    if not found:
        return Finding("variables", Level.OK, "none that changes the speed")
    named = ", ".join(f"{name}={value}" for name, value in found.items())
    return Finding("variables", Level.WARNING, f"change the speed: {named}", f"unset {' '.join(found)}")
