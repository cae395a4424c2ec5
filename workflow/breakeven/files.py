"""Writes files whole or not at all; reads and writes JSON; hashes files."""

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
    """Write JSON to a temporary file, then rename it. Not-a-number and infinity are written as Python's json does."""
    with aside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON that the pipeline wrote."""
    return json.loads(path.read_text())


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`. It replaces `path` if the block succeeds; else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def with_shared(files: Iterable[Path]) -> list[Path]:
    """Return these unit files and the files that they share: `_<name>.py` of their group, if one of them names it."""
    found = set(files)
    groups = {folder for file in found for folder in (file.parent, file.parent.parent)}
    shared = {path for group in groups for path in group.glob("_*.py") if path.name != "__init__.py"}
    while named := {path for path in shared - found if any(path.stem in file.read_text() for file in found)}:
        found |= named
    return sorted(found)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(folder: Path) -> str:
    """Return the sha256 over the paths and contents of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def digest(content: Any) -> str:
    """Return a short stable hash of JSON-like content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`. It replaces `target` if the block succeeds; else it is removed."""
    temporary = target.with_name(f".{target.name}.tmp")  # a fixed name: the next line removes a killed job's rest
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
