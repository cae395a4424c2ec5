"""Fetches Debian's package indexes with the real apt-get, from a small repository that the test writes."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from breakeven.data import DebianIndexes, Unavailable, obtain
from breakeven.errors import UserError

MD5 = "Description-md5: 900150983cd24fb0d6963f7d28e17f72\n"
FILES = {
    "main/binary-amd64/Packages": "Package: chess\nArchitecture: all\nSection: games\nVersion: 1\nSize: 1\n\n",
    "main/i18n/Translation-en": f"Package: chess\n{MD5}Description-en: a game\n\n",
    "main/i18n/Translation-fr": f"Package: chess\n{MD5}Description-fr: un jeu déjà vu\n\n",
}
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not on this machine")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def publish(folder: Path, codename: str, files: dict[str, str], origin: str = "Debian") -> str:
    """Write one unsigned release of an archive into `folder`; return its line for apt's sources."""
    release = folder / "dists" / codename
    listed = ""
    for name, content in files.items():
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_text(content)
        listed += f" {hashlib.sha256(content.encode()).hexdigest()} {len(content.encode())} {name}\n"
    head = f"Origin: {origin}\nCodename: {codename}\nComponents: main\nArchitectures: all amd64\n"
    (release / "Release").write_text(f"{head}Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n{listed}")
    return f"deb [trusted=yes] file:{folder} {codename} main\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty list of package sources, for an apt whose settings and hook must have no effect."""
    (tmp_path / "sources.list").touch()
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{tmp_path / "sources.list"}";\nDir::Etc::sourceparts "-";\n'
        f'Acquire::Languages "none";\nAcquire::GzipIndexes "true";\n'
        f'APT::Update::Post-Invoke-Success {{ "touch {tmp_path / "hooked"}"; }};\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return tmp_path / "sources.list"


@needs_apt
def test_the_indexes_of_the_release_are_fetched_with_translations(sources: Path, tmp_path: Path) -> None:
    weekly = {name: content.replace("chess", "patch") for name, content in FILES.items()}
    lines = [publish(tmp_path / "archive", "stable", FILES), publish(tmp_path / "archive", "stable-updates", weekly)]
    lines.append(publish(tmp_path / "other", "stable", weekly, origin="Somebody"))
    sources.write_text("".join(lines))
    source = DebianIndexes(languages=("en", "fr"))
    folder = obtain(source)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        name.rpartition("/")[2]: content for name, content in FILES.items()
    }
    assert not (tmp_path / "hooked").exists()
    sources.write_text("")
    assert obtain(source) == folder, "the second time it comes from the cache"


@needs_apt
def test_a_missing_translation_is_one_line_with_remedies(sources: Path, tmp_path: Path, cache: Path) -> None:
    sources.write_text(publish(tmp_path / "archive", "stable", FILES))
    with pytest.raises(Unavailable, match="have no Translation-de of Debian") as caught:
        obtain(DebianIndexes())
    message = str(caught.value)
    assert "\n" not in message and f"put debian-package-indexes.tar into {cache / 'downloads'}, or" in message
    assert not any((cache / "sources").glob("debian*"))


def test_without_apt_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"debian-package-indexes main could not be had \(apt-get is not on this"):
        obtain(DebianIndexes())


@pytest.mark.parametrize("names", [("Packages", "Translation-en"), ("Packages",)])
def test_a_file_put_there_by_hand_is_used_if_it_holds_all(cache: Path, names: tuple[str, ...]) -> None:
    path = cache / "downloads" / "debian-package-indexes.tar"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    source = DebianIndexes(languages=("en",))
    if source.files == names:
        assert {each.name for each in obtain(source).iterdir()} == set(names)
    else:
        with pytest.raises(UserError, match=f"^{path} lacks some of its files: put"):
            obtain(source)
