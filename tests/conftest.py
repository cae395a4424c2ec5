"""Shared fixtures, and how tests share the machine when several run at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from breakeven import plugins
from breakeven.units import registry

settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
settings.load_profile("untimed")
ONE_OF_SEVERAL = "PYTEST_XDIST_WORKER" in os.environ
if ONE_OF_SEVERAL:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process for each core is enough


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, since they share what they have made; of the contracts, those of a task."""
    for item in items:
        of = item.callspec.params if hasattr(item, "callspec") else {}
        task = of.get("bench") or of.get("task")
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {task if isinstance(task, str) else ''}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test that is marked `alone` while no other process runs one."""
    if not ONE_OF_SEVERAL:
        return (yield)
    folder = Path(item.config.option.basetemp).parent  # each process has its own in there
    with turn(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def turn(folder: Path, alone: bool) -> Iterator[None]:
    """Have the machine together with others, or alone; who waits to be alone is next."""
    with (folder / ".next").open("w") as waiting, (folder / ".machine").open("w") as machine:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(waiting, fcntl.LOCK_UN)
        yield


@pytest.fixture
def content_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose units are found beside the repository's own, as a user would put on $BREAKEVEN_PATH."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(root)])
    registry.forget()
    yield root
    registry.forget()
