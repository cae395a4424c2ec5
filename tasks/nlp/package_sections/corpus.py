"""Reads the descriptions, splits them and turns them into tokens. Importing this module does not import torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from breakeven.data import obtain

from .._packages import INDEXES, descriptions, packages, part_of
from .._subwords import Labelled, encode

SECTIONS = ("admin", "database", "fonts", "games", "graphics", "mail", "net", "science", "sound", "video")
PERCENT = {"test": 15, "val": 10}  # % of the sources
LENGTH = 128  # tokens


def build() -> dict[str, np.ndarray]:
    """Make ids and targets of each part, and the tokeniser's JSON as bytes."""
    return encode(split(obtain(INDEXES)), LENGTH)


def split(folder: Path) -> dict[str, list[Labelled]]:
    """Read train, val and test: the first package by name of each source and section, with its section's index."""
    english, seen = descriptions(folder, "en"), set()
    parts: dict[str, list[Labelled]] = {part: [] for part in ("train", "val", "test")}
    for package in packages(folder):
        place = (package.source, package.section)
        if package.section in SECTIONS and package.description in english and place not in seen:
            seen.add(place)
            text = " ".join(english[package.description].split())
            parts[part_of(package.source, PERCENT)].append((text, SECTIONS.index(package.section)))
    return parts
