"""Files of JSON, and any file that is to be there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any


def write_json(content: Any, path: Path) -> None:
    """Write JSON aside, then rename. Not-a-number and infinity are written as Python's json does."""
    with aside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """JSON that the pipeline wrote."""
    return json.loads(path.read_text())


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def with_shared(files: Iterable[Path]) -> list[Path]:
    """These files of units, and those that they share with others: `_<name>.py` of their group, where one names it."""
    found = set(files)
    groups = {folder for file in found for folder in (file.parent, file.parent.parent)}
    shared = {path for group in groups for path in group.glob("_*.py") if path.name != "__init__.py"}
    while named := {path for path in shared - found if any(path.stem in file.read_text() for file in found)}:
        found |= named
    return sorted(found)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(folder: Path) -> str:
    """The sha256 over the files below a folder: their paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def digest(content: Any) -> str:
    """A short stable hash of JSON-like content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place when the block ends well, and is removed otherwise."""
    temporary = target.with_name(f".{target.name}.tmp")  # always the same: what a killed job left is removed here
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
