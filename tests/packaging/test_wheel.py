"""A wheel built and installed into a fresh environment without the checkout reads boards and needs no torch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
LIMIT_MB = 400  # limit for the content of the packages, without the byte code that Python keeps beside them
PATIENCE_S = 1800  # ends a hanging program, which fails the test
pytestmark = pytest.mark.slow

SIZE_MB = """
from importlib.metadata import distributions
files = {file.locate() for found in distributions() if found.name != "pip" for file in found.files}
print(sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.exists()) / 1e6)
"""
PAGES = """
from breakeven.plugins import REPOSITORY
from streamlit.testing.v1 import AppTest
for title in ("leaderboard", "methods", "tasks", "protocol"):
    app = AppTest.from_file(str(REPOSITORY / "dashboard" / "app.py"), default_timeout=1800).run()
    app.switch_page(f"views/{title}.py").run()
    assert not app.exception and not app.error, (title, app.exception, app.error)
    assert app.title, title
"""
CELL = "--task=fashion_mnist --seed=0 --hardware=cpu_1"
RUN_ONLY = {  # verbs with what they ask for; none gets as far as to read a file
    "prepare": "--task=fashion_mnist --output=o",
    "train": f"{CELL} --training-method=single_device --data=d --output=o",
    "compress": f"{CELL} --step=low_rank --source=s --output=o",
    "evaluate": "--task=fashion_mnist --chain=fp32 --accelerator=cpu --source=s --output=o",
    "measure": f"{CELL} --trained-as=single_device@cpu_1 --chain=fp32 --mode=brief --artifact=a --reference=r"
    " --evaluation=e --reference-evaluation=e --data=d --output=o",
    "calibrate": "",
    "verify": "",
}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and its dependencies. Programs run in an empty folder."""

    environment: Path
    folder: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment until it ends."""
        command = [str(self.environment / "bin" / program), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=variables(), capture_output=True, text=True, timeout=PATIENCE_S
        )

    def output(self, program: str, *arguments: str) -> str:
        """Run a program that must succeed; return its output."""
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def variables() -> dict[str, str]:
    """Return this process's variables without those that point Python or the dashboard to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BREAKEVEN_"))}


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel into an empty environment with `pip install`."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("breakeven-*.whl")
    installed = Installed(folder / "environment", folder / "empty")
    installed.folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(installed.environment)], check=True)
    installed.output("pip", "install", "--no-compile", "--disable-pip-version-check", str(wheel))
    return installed


def test_the_light_install_is_small_and_without_torch(light: Installed) -> None:
    assert light.output("python", "-c", "from importlib.util import find_spec; print(find_spec('torch'))") == "None\n"
    assert float(light.output("python", "-c", SIZE_MB)) <= LIMIT_MB


def test_boards_are_read(light: Installed) -> None:
    assert "channel_pruning" in light.output("breakeven", "leaderboard", str(REFERENCE))
    assert "Eligible" in light.output("breakeven", "cheapest", "--inferences", "1e8", "--results", str(REFERENCE))
    assert "inference board" in light.output("breakeven", "validate", *map(str, REFERENCE.glob("*.parquet")))
    merged = light.folder / "merged"
    assert "inference and" in light.output("breakeven", "merge", str(REFERENCE), "--output", str(merged))
    assert {path.name for path in merged.iterdir()} == {path.name for path in REFERENCE.iterdir()}


def test_units_and_schemas_come_with_it(light: Installed) -> None:
    grid = ROOT / "workflow" / "config" / "default.yaml"
    for kind in ("tasks", "methods"):
        listed = light.output("breakeven", kind)
        assert all(unit.stem in listed for unit in (ROOT / kind).glob("*/[a-z]*.py"))
    assert "inference cells" in light.output("breakeven", "check", str(grid))
    assert "hardware profile" in light.output("breakeven", "validate", str(ROOT / "hardware" / "cpu_1.yaml"))


@pytest.mark.parametrize("verb", RUN_ONLY)
def test_a_verb_that_runs_things_says_which_extra_it_needs(light: Installed, verb: str) -> None:
    done = light.run("breakeven", verb, *RUN_ONLY[verb].split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"breakeven: {verb} needs ")
    assert done.stderr.endswith(": pip install 'breakeven[run]'\n")
    assert done.stderr.count("\n") == 1


def test_the_dashboards_pages_show_without_the_checkout(light: Installed) -> None:
    light.output("python", "-c", PAGES)


def test_the_dashboard_serves_on_this_machine_alone(light: Installed) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(light.environment / "bin" / "breakeven"), "dashboard", str(REFERENCE), "--port", str(port)]
    environment = {**variables(), "STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen(command, cwd=light.folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert any(f"http://localhost:{port}" in line for line in server.stdout), f"status {server.wait()}"
        with urlopen(f"http://localhost:{port}/_stcore/health", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
    finally:
        server.terminate()
        server.communicate()
