"""Reads package descriptions from the deb822 text of `DebianIndexes`. Importing this module does not import torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from breakeven.data import DebianIndexes

INDEXES = DebianIndexes()
Stanza = dict[str, str]
BLANK = "."  # stands for an empty line inside a description
MARKERS = ("* ", "- ", "+ ", "o ", "• ")  # begin the items of a list


@dataclass(frozen=True)
class Package:
    """A binary package."""

    name: str
    source: str  # packages of one source have nearly the same description
    section: str
    description: str  # the md5 of its English text, the key of all translations


def packages(folder: Path) -> list[Package]:
    """Read all packages, ordered by name, each once."""
    found: dict[str, Package] = {}
    for stanza in stanzas(folder / "Packages"):
        name = stanza["Package"]
        source = stanza.get("Source", name).split()[0]  # a version may follow in brackets
        section = stanza.get("Section", "").rpartition("/")[2]  # contrib and non-free stand before a slash
        found.setdefault(name, Package(name, source, section, stanza.get("Description-md5", "")))
    return [found[name] for name in sorted(found)]


def descriptions(folder: Path, language: str) -> dict[str, str]:
    """Read the descriptions in a language, by the md5 of the English description."""
    path = folder / f"Translation-{language}"
    return {s["Description-md5"]: s[f"Description-{language}"] for s in stanzas(path) if f"Description-{language}" in s}


def stanzas(path: Path) -> Iterator[Stanza]:
    """Read the stanzas of a file of control fields (deb822(5)). A continued line loses only its first blank."""
    stanza: Stanza = {}
    name = ""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.strip(" \t\n"):  # not isspace(): a no-break space is text
                if stanza:
                    yield stanza
                stanza = {}
            elif line[0] in " \t":
                stanza[name] += "\n" + line[1:].rstrip("\n")
            elif line[0] != "#":
                name, _, value = line.partition(":")
                stanza[name] = value.strip()
    if stanza:
        yield stanza


def paragraphs(description: str) -> list[str]:
    """The synopsis, then the paragraphs and list items of a description, each on one line (Debian Policy 5.6.13).

    Preformatted text, such as a table, is left out.
    """
    synopsis, *lines = description.split("\n")
    found, ended, verbatim = [synopsis], True, False
    for line in lines:
        text = line.strip()
        if text in (BLANK, ""):
            ended, verbatim = True, False
        elif text.startswith(MARKERS):
            found.append(text[2:].strip())
            ended = verbatim = False
        elif line.startswith(" ") and (ended or verbatim):
            verbatim = True
        elif ended or verbatim:
            found.append(text)
            ended = verbatim = False
        else:
            found[-1] += f" {text}"
    return found


def part_of(source: str, percent: dict[str, int]) -> str:
    """The part of all packages of a source, by a hash of the source's name: the same in every release.

    Args:
        source: the name of the source package.
        percent: the shares [%] of "test" and "val"; the rest is "train".
    """
    drawn = int(hashlib.sha256(source.encode()).hexdigest(), 16) % 100
    if drawn < percent["test"]:
        return "test"
    return "val" if drawn < percent["test"] + percent["val"] else "train"
