"""Public data sets outside package indexes: given by hand, or downloaded from their makers' addresses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from breakeven.data import Unavailable, cache
from breakeven.errors import UserError


@dataclass(frozen=True)
class Published:
    """A file at an address, pinned by the checksum that its makers publish."""

    url: str
    checksum: str  # algorithm and hexadecimal digest: "md5:…" or "sha256:…"

    @property
    def name(self) -> str:
        """The file's name, the last part of the address."""
        return PurePosixPath(urlsplit(self.url).path).name

    def path(self) -> Path:
        """The file in the cache's folder `downloads`. It is downloaded there unless a user put it there by hand.

        Raises:
            Unavailable: the file is not there and cannot be downloaded.
            UserError: the file that is there has another checksum.
        """
        import pooch

        folder = cache() / "downloads"
        there = folder / self.name
        if there.exists():
            if not pooch.hashes.hash_matches(str(there), self.checksum):
                raise UserError(f"{there} has another checksum than {self.checksum}: get it anew from {self.url}")
            return there
        try:
            # pooch writes aside and renames, and drops a file with another checksum
            return Path(pooch.retrieve(self.url, self.checksum, self.name, folder, progressbar=True))
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"{self.name} could not be downloaded ({error}): get {self.url} on another machine and put it into "
                f"{folder}, or give this machine access to that address, or set BREAKEVEN_CACHE to a cache copied from "
                "another machine"
            ) from error


def named_folder(variable: str, layout: str, holding: tuple[str, ...]) -> Path:
    """The folder that a user names by an environment variable.

    Args:
        variable: the variable's name.
        layout: a description of the folder for messages: "a folder with pictures in train/<class>/".
        holding: paths that must exist in the folder.

    Raises:
        UserError: the variable is not set, or the folder lacks one of these paths.
    """
    if not (named := os.environ.get(variable)):
        raise UserError(f"{variable} is not set: set it to {layout}")
    folder = Path(named).expanduser()
    for path in holding:
        if not (folder / path).exists():
            raise UserError(f"{variable}: {folder} holds no '{path}': set it to {layout}")
    return folder
