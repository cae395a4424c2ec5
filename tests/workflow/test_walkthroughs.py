"""CONTRIBUTING's walk-throughs, run word by word: files are written to their stated paths, commands run in order."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, make_checkout

BLOCK = re.compile(r"(?:`(units/\S+)`:\n\n)?```(python|yaml|bash)\n(.*?)```", re.DOTALL)
SECTIONS = dict(
    re.findall(r"^## (Add a [^\n]+)\n(.*?)(?=^## |\Z)", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
)


@pytest.mark.slow
@pytest.mark.parametrize("title", SECTIONS)
def test_walk_through(title: str, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    environment = {**checkout.environment, "PATH": f"{Path(sys.executable).parent}:{checkout.environment['PATH']}"}
    blocks = BLOCK.findall(SECTIONS[title])
    assert {language for _, language, _ in blocks} >= {"bash"}
    for name, language, content in blocks:
        if language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", content],
                cwd=checkout.path,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        else:
            assert name, f"a {language} block without the file it belongs to"
            (checkout.path / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout.path / name).write_text(content)
    (unit,) = [Path(name).stem for name, *_ in blocks if name]
    assert unit in done.stdout + done.stderr


def test_there_is_a_walk_through_for_each_kind() -> None:
    assert set(SECTIONS) == {"Add a method", "Add a task", "Add a hardware profile"}
