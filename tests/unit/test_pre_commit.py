"""The commit hooks, which have small environments of their own."""

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
