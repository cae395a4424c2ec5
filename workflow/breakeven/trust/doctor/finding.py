"""What a check of this machine finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  # nothing to mend, or nothing that can be seen from here
    WARNING = "warning"  # figures will be less steady than they could be
    PROBLEM = "problem"  # measuring is impossible, or would give wrong figures


@dataclass(frozen=True)
class Finding:
    """What one check found, and how to mend it."""

    check: str
    level: Level
    found: str
    remedy: str | None = None


def read(path: Path) -> str:
    """The text of a file of the kernel; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())
