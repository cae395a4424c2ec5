"""The top-level files agree about the project."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_hooks_have_the_versions_of_the_lock_file() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    locked = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split() if "==" in line)
    pins = dict(pin.split("==") for hook in local["hooks"] for pin in hook["additional_dependencies"])
    known = pins.keys() & locked.keys()
    assert {"ruff", "snakefmt", "snakemake"} <= known
    assert {name: pins[name] for name in known} == {name: locked[name] for name in known}


def test_package_citation_and_changelog_name_the_same_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[0] == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version


def test_links_between_documents_lead_somewhere() -> None:
    pages = [path for folder in (".", "docs", "benchmarks") for path in (ROOT / folder).glob("*.md")]
    pages = [path for path in pages if ".template" not in path.suffixes]  # their links fit the generated page
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
