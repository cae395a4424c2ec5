"""Public data sets that no package index has: put there by hand, or downloaded from where their makers publish them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from breakeven.data import Unavailable, cache
from breakeven.errors import UserError


@dataclass(frozen=True)
class Published:
    """A file at an address, pinned by the checksum that its makers publish with it."""

    url: str
    checksum: str  # the algorithm and the digest: "md5:…", "sha256:…"

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(urlsplit(self.url).path).name

    def path(self) -> Path:
        """The file: in `downloads/` of the cache, where a user may put it, else downloaded to there.

        Raises:
            Unavailable: it can be had in neither way.
            UserError: the one that is there is another.
        """
        import pooch

        folder = cache() / "downloads"
        there = folder / self.name
        if there.exists():
            if not pooch.hashes.hash_matches(str(there), self.checksum):
                raise UserError(f"{there} has another checksum than {self.checksum}: get it anew from {self.url}")
            return there
        try:
            # Written aside and renamed; one with another checksum is thrown away.
            return Path(pooch.retrieve(self.url, self.checksum, self.name, folder, progressbar=True))
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"{self.name} could not be downloaded ({error}): get {self.url} on another machine and put it into "
                f"{folder}, or give this machine access to that address, or set BREAKEVEN_CACHE to a cache copied from "
                "another machine"
            ) from error


def named_folder(variable: str, layout: str, holding: tuple[str, ...]) -> Path:
    """The folder that a user named by an environment variable.

    Args:
        variable: its name.
        layout: what the folder is to hold, for people: "a folder with pictures in train/<class>/".
        holding: paths that have to be in it.

    Raises:
        UserError: none was named, or it lacks one of these.
    """
    if not (named := os.environ.get(variable)):
        raise UserError(f"{variable} is not set: set it to {layout}")
    folder = Path(named).expanduser()
    for path in holding:
        if not (folder / path).exists():
            raise UserError(f"{variable}: {folder} holds no '{path}': set it to {layout}")
    return folder
