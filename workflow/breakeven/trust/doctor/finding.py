"""The finding of a check of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"  # nothing needs mending, or the check cannot see it
    WARNING = "warning"  # figures vary more than they need to
    PROBLEM = "problem"  # measuring is impossible or gives wrong figures


@dataclass(frozen=True)
class Finding:
    """The result of one check, and its remedy."""

    check: str  # the name of the check
    level: Level
    found: str  # the result, in words
    remedy: str | None = None  # a command, or an instruction


def read(path: Path) -> str:
    """Read a text file of the kernel; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def existing(path: Path) -> Path:
    """The path itself, or its nearest parent that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
