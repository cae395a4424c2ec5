"""Obtains data sets, verified by sha256, and keeps what a task prepares from them. No torch at import.

All lies in one folder, `$BREAKEVEN_CACHE` (default: the user's cache folder, on Linux `~/.cache/breakeven`):
`downloads/` for files a user puts there by hand, `sources/` for unpacked sources, `prepared/` for tensors.
A file is written aside, verified, then renamed, under a lock: concurrent jobs fetch and prepare once.
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
    """Neither the cache nor a package client has a source: a task may turn to a public loader."""


@dataclass(frozen=True)
class Prepared:
    """Tensors in the cache, and the sha256 of their names, types, shapes and values."""

    path: Path
    sha256: str

    def load(self) -> dict[str, Tensor]:
        """The tensors by name, mapped from the file rather than read."""
        from safetensors.torch import load_file

        return load_file(self.path)


def cache() -> Path:
    """The folder that holds all data."""
    given = os.environ.get(environment.CACHE)
    return Path(given).expanduser().absolute() if given else user_cache_path("breakeven")


def obtain(source: Source) -> Path:
    """The folder with a source's unpacked content: from the cache, an installed package or a package client.

    Raises:
        Unavailable: it can be had nowhere; the message names what a user can do.
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
    """The folder with a source's content that needs no fetching: in the cache, or an installed package."""
    folder = _folder(source)
    return folder if folder.exists() else source.installed()


def prepared(key: str, build: Callable[[], dict[str, np.ndarray]]) -> Prepared:
    """What `build` returned, once per machine for this key and this text of the file that defines `build`, and of
    those that it shares with other units.

    `key` names the task, its version and the parameters that change its data; it becomes part of a file name.
    """
    path = cache() / "prepared" / _prepared_name(key, Path(inspect.getfile(build)))
    if not path.exists():
        with _lock(path):
            if not path.exists():
                _store(build(), path)
    return Prepared(path, _stored_sha256(path))


def is_prepared(key: str, files: Iterable[str]) -> bool:
    """Whether something was prepared by one of these files, as it is now, under a key that begins with this one."""
    patterns = [_prepared_name(f"{key}*", Path(file)) for file in files]
    return any(next((cache() / "prepared").glob(pattern), None) for pattern in patterns)


def tensors_sha256(arrays: dict[str, np.ndarray]) -> str:
    """The sha256 of names, types, shapes and values, whatever the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _folder(source: Source) -> Path:
    return cache() / "sources" / "-".join(filter(None, (source.filename, source.sha256[:12])))


def _prepared_name(key: str, file: Path) -> str:
    text = b"".join(path.read_bytes() for path in with_shared([file]))
    return f"{key}-{hashlib.sha256(text).hexdigest()[:12]}.safetensors"


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
    """A folder on the cache's own file system, where a rename is atomic; gone at the end."""
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
