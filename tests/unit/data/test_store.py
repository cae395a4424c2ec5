"""Data is fetched once, verified, and stored whole or not at all. Archives and audio are small, in real formats."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE_S

from breakeven.data import Debian, PyPI, Source, Unavailable, obtain, prepared
from breakeven.data import store as data
from breakeven.data.archives import ClientError, unpack
from breakeven.errors import UserError
from breakeven.files import file_sha256, tree_sha256

FILES = {"pkg/data/numbers.csv": b"1,2\n3,4\n", "pkg/read me.txt": b"odd"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@dataclass(frozen=True)
class Local(Source):
    """A source whose client copies bytes; `broken` names the way in which the client fails."""

    content: bytes = b""
    broken: str | None = None

    def fetch(self, folder: Path) -> None:
        (folder / self.filename).write_bytes(self.content[: len(self.content) // 2] if self.broken else self.content)
        if self.broken == "client":
            raise ClientError("E: connection lost")


def wheel(files: dict[str, bytes] = FILES) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980, so every process makes the same bytes
    return buffer.getvalue()


def tar(compression: str, files: dict[str, bytes] = FILES) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(compression: str = "xz", control: bytes = b"odd") -> bytes:
    """Make a Debian package as described in deb(5)."""
    members = {"debian-binary": b"2.0\n", "control.tar.xz": control, f"data.tar.{compression}": tar(compression)}
    content = b"!<arch>\n"
    for name, body in members.items():
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return content


def source(content: bytes, filename: str = "pkg-1.0-py3-none-any.whl", **given: str) -> Local:
    return Local("pkg", "1.0", hashlib.sha256(content).hexdigest(), filename, content, **given)


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def entries(cache: Path) -> list[str]:
    """List the cache's content without locks and empty folders."""
    return [str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("pkg-1.0-py3-none-any.whl", wheel()),
        ("pkg-1.0.tar.gz", tar("gz")),
        ("pkg_1.0_all.deb", deb("xz")),
        ("pkg_1.0_all.deb", deb("gz", control=b"even")),
    ],
)
def test_every_kind_of_archive_is_unpacked(filename: str, content: bytes) -> None:
    folder = obtain(source(content, filename))
    assert unpacked(folder) == FILES
    assert obtain(source(content, filename)) == folder


def test_a_deb_compressed_with_zstd_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: pkg\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    (tmp_path / "tree/usr").mkdir()
    (tmp_path / "tree/usr/numbers.csv").write_bytes(b"1,2\n")
    try:
        command = ["dpkg-deb", "-Zzstd", "--root-owner-group", "-b", tmp_path / "tree", tmp_path / "pkg.deb"]
        subprocess.run(command, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"dpkg-deb makes no zstd package here: {error}")
    unpack(tmp_path / "pkg.deb", tmp_path / "out")
    assert unpacked(tmp_path / "out") == {"usr/numbers.csv": b"1,2\n"}


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python unpacks tar files without a filter")
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(tar("gz", {"../escaped": b"x"}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "out")
    assert not (tmp_path / "escaped").exists()


def test_another_hash_is_refused_naming_both(cache: Path) -> None:
    wrong = Local("pkg", "1.0", "0" * 64, "pkg-1.0-py3-none-any.whl", wheel())
    with pytest.raises(UserError, match=f"has sha256 {hashlib.sha256(wheel()).hexdigest()}, expected {'0' * 64}"):
        obtain(wrong)
    assert entries(cache) == []


@pytest.mark.parametrize("how", ["client", "silent"])
def test_a_partial_download_never_becomes_an_entry(cache: Path, how: str) -> None:
    with pytest.raises(UserError):
        obtain(source(wheel(), broken=how))
    assert entries(cache) == []
    assert unpacked(obtain(source(wheel()))) == FILES


def test_a_file_put_into_the_cache_by_hand_is_used(cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    given = source(wheel(), broken="client")
    (cache / "downloads" / given.filename).write_bytes(wheel())
    assert unpacked(obtain(given)) == FILES


def test_a_wrong_file_put_there_by_hand_is_named_and_left_alone(cache: Path) -> None:
    path = cache / "downloads" / source(wheel()).filename
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a wheel")
    with pytest.raises(UserError, match=f"^{path} has sha256 "):
        obtain(source(wheel()))
    assert path.read_bytes() == b"not a wheel"


def rebuilt(cache: Path, data_sha256: str) -> Debian:
    """Describe a package whose archive differs from the pinned one."""
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / "pkg_1.0_all.deb").write_bytes(deb("gz"))
    return Debian("pkg", "1.0", hashlib.sha256(deb("xz")).hexdigest(), "pkg_1.0_all.deb", "pkg/data", data_sha256)


def test_a_package_built_again_from_the_same_data_is_taken(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/numbers.csv").write_bytes(FILES["pkg/data/numbers.csv"])
    assert unpacked(obtain(rebuilt(cache, tree_sha256(tmp_path / "data")))) == FILES


def test_a_package_built_from_other_data_is_refused(cache: Path) -> None:
    with pytest.raises(UserError, match="has sha256"):
        obtain(rebuilt(cache, "0" * 64))
    assert not list((cache / "sources").glob("pkg*"))


def test_pip_fetches_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = "pkg-1.0.dist-info"
    meta = {
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n",
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": b"",
    }
    path = tmp_path / "index" / "pkg-1.0-py3-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(wheel(FILES | meta))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    assert unpacked(obtain(PyPI("pkg", "1.0", file_sha256(path), path.name))) == FILES | meta


def test_what_no_client_has_is_one_line_with_three_remedies(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        obtain(PyPI("no-such-package", "1.0", "a" * 64, "x-1.0.tar.gz"))
    message = str(caught.value)
    assert "\n" not in message and "no-such-package 1.0 could not be had (ERROR: " in message
    assert f"put x-1.0.tar.gz with sha256 {'a' * 64} into {cache / 'downloads'}" in message
    assert "access to its package index" in message and "set BREAKEVEN_CACHE" in message


def test_without_apt_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"pkg 1.0 could not be had \(apt-get is not on this machine\)"):
        obtain(Debian("pkg", "1.0", "a" * 64, "pkg_1.0_all.deb", "usr", "b" * 64))


def test_an_installed_package_of_that_version_is_used() -> None:
    installed = version("numpy")
    folder = obtain(PyPI("numpy", installed, "a" * 64, f"numpy-{installed}-cp311.whl"))
    assert (folder / "numpy/__init__.py").samefile(np.__file__)
    assert PyPI("numpy", "0.1", "a" * 64, "numpy-0.1.whl").installed() is None
    assert PyPI("numpy", installed, "a" * 64, f"numpy-{installed}.tar.gz").installed() is None


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set BREAKEVEN_CACHE to a folder that can be"):
        obtain(source(wheel()))


ASK = """
import os, sys
from pathlib import Path
from breakeven.data import store as data
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
import test_store
log, gate = Path(sys.argv[2]), Path(sys.argv[3])

def work():
    with log.open("a") as file:
        file.write("worked\\n")
    gate.read_text()  # until all have asked

class Slow(test_store.Local):
    def fetch(self, folder):
        work()
        super().fetch(folder)

def build():
    work()
    return {"x": test_store.np.arange(3)}

local = test_store.source(test_store.wheel())
ask = {"obtain": lambda: data.obtain(Slow(*vars(local).values())), "prepared": lambda: data.prepared("k", build).path}
print("asking", flush=True)
print(ask[sys.argv[4]]())
"""


@pytest.mark.parametrize("what", ["obtain", "prepared"])
def test_processes_that_ask_together_are_served_by_one(tmp_path: Path, what: str) -> None:
    log, gate, script = tmp_path / "log", tmp_path / "gate", tmp_path / "ask.py"
    os.mkfifo(gate)
    script.write_text(ASK)
    command = [sys.executable, str(script), str(Path(__file__).parent), str(log), str(gate), what]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.stdout.readline() for process in asking] == ["asking\n"] * 4
    try:
        gate.write_text("go")  # returns when one process reads; a second reader would wait until the timeout below
        answers = {process.communicate(timeout=PATIENCE_S)[0] for process in asking}
    finally:
        for process in asking:
            process.kill()
    assert [process.returncode for process in asking] == [0] * 4
    assert len(answers) == 1 and Path(answers.pop().strip()).exists()
    assert log.read_text() == "worked\n"


def test_a_process_killed_while_it_fetches_leaves_no_entry(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "die.py"
    script.write_text(
        f"import os, sys; sys.path[:0] = {[str(Path(__file__).parents[i]) for i in (0, 1)]}; import test_store\n"
        "class Dying(test_store.Local):\n"
        "    def fetch(self, folder):\n"
        "        super().fetch(folder); os._exit(9)\n"
        "test_store.obtain(Dying(*vars(test_store.source(test_store.wheel())).values()))\n"
    )
    assert subprocess.run([sys.executable, script]).returncode == 9
    assert not [entry for entry in entries(cache) if entry.startswith("sources")]
    assert unpacked(obtain(source(wheel()))) == FILES


def build() -> dict[str, np.ndarray]:
    return {"x": np.arange(6, dtype=np.uint8).reshape(2, 3).T, "y": np.array([1.5, 2.5])}


def test_prepared_tensors_come_back_as_they_were() -> None:
    stored = prepared("k", build)
    tensors = stored.load()
    assert {name: tensor.numpy().tolist() for name, tensor in tensors.items()} == {
        "x": [[0, 3], [1, 4], [2, 5]],
        "y": [1.5, 2.5],
    }
    assert stored.sha256 == data.tensors_sha256(build())
    assert prepared("k", lambda: pytest.fail("prepared a second time")) == stored


def test_the_hash_is_of_names_types_shapes_and_values() -> None:
    x = np.arange(4, dtype=np.int32)
    same = data.tensors_sha256({"a": x, "b": x}), data.tensors_sha256({"b": x.copy(), "a": x})
    assert same[0] == same[1]
    others = [{"a": x}, {"b": x}, {"a": x.reshape(2, 2)}, {"a": x.view(np.float32)}, {"a": x + 1}]
    assert len({data.tensors_sha256(other) for other in others}) == len(others)


def test_an_edited_preparation_is_not_served_stale(tmp_path: Path) -> None:
    def prepared_by(text: str) -> data.Prepared:
        path = tmp_path / "unit.py"
        path.write_text(text)
        names: dict = {}
        exec(compile(text, path, "exec"), names)
        return prepared("k", names["build"])

    text = "import numpy as np\ndef build(): return {'x': np.zeros(2)}\n"
    first, again = prepared_by(text), prepared_by(text)
    assert first == again
    assert prepared_by(text.replace("zeros", "ones")).sha256 != first.sha256


def test_a_preparation_that_fails_leaves_nothing(cache: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        prepared("k", lambda: {"x": np.array(1 / 0)})
    assert entries(cache) == []


def test_a_damaged_entry_is_named() -> None:
    stored = prepared("k", build)
    stored.path.write_bytes(stored.path.read_bytes()[:20])
    with pytest.raises(UserError, match=f"^{stored.path}: damaged .*remove it"):
        prepared("k", build)
