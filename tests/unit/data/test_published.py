"""Tests of published files and of folders named by users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import md5, sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from breakeven.data import Unavailable
from breakeven.data.published import Published, named_folder
from breakeven.errors import UserError

CONTENT = b"pictures"
CHECKSUMS = [f"{algorithm().name}:{algorithm(CONTENT).hexdigest()}" for algorithm in (md5, sha256)]


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty cache for files that users download themselves."""
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_a_file_that_was_put_there_is_taken(downloads: Path, checksum: str) -> None:
    downloads.mkdir(parents=True)
    (downloads / "set.npz").write_bytes(CONTENT)
    assert Published("https://example.org/set.npz?download=1", checksum).path() == downloads / "set.npz"


def test_another_file_than_the_published_is_refused_and_kept(downloads: Path) -> None:
    downloads.mkdir(parents=True)
    (downloads / "set.npz").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match=r"set\.npz has another checksum than md5:.*get it anew from https://example"):
        Published("https://example.org/set.npz", CHECKSUMS[0]).path()
    assert (downloads / "set.npz").exists()


@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_a_file_is_downloaded_once(downloads: Path, tmp_path: Path, checksum: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "set.npz").write_bytes(CONTENT)
    with serving(tmp_path / "site") as address:
        published = Published(f"{address}/set.npz", checksum)
        assert published.path().read_bytes() == CONTENT
    assert published.path() == downloads / "set.npz", "without the site"


def test_what_is_downloaded_has_to_be_what_was_published(downloads: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "set.npz").write_bytes(CONTENT[:-1])
    with serving(tmp_path / "site") as address, pytest.raises(Unavailable, match="hash"):
        Published(f"{address}/set.npz", CHECKSUMS[0]).path()
    assert not list(downloads.iterdir())


def test_what_cannot_be_downloaded_is_asked_for(downloads: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("site").mkdir()
    with serving(tmp_path / "site") as address:
        pass  # the port is free again
    with pytest.raises(Unavailable, match=r"refused.*on another machine and put it into .*downloads, or give"):
        Published(f"{address}/set.npz", CHECKSUMS[0]).path()
    assert not list(downloads.iterdir())


def test_a_folder_has_to_be_named_and_to_hold_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"layout": "a folder of pictures", "holding": ("train", "val")}
    monkeypatch.delenv("BREAKEVEN_PICTURES", raising=False)
    with pytest.raises(UserError, match="BREAKEVEN_PICTURES is not set: set it to a folder of pictures"):
        named_folder("BREAKEVEN_PICTURES", **wanted)
    monkeypatch.setenv("BREAKEVEN_PICTURES", str(tmp_path))
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=f"BREAKEVEN_PICTURES: {tmp_path} holds no 'val': set it to a folder of"):
        named_folder("BREAKEVEN_PICTURES", **wanted)
    (tmp_path / "val").mkdir()
    assert named_folder("BREAKEVEN_PICTURES", **wanted) == tmp_path


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the address of a web server with the files of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
