"""Shared fixtures, and rules by which test processes share the machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scheduling
from hypothesis import settings

from breakeven import plugins
from breakeven.units import registry

settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
settings.load_profile("untimed")
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several test processes
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core is enough


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Sort the tests after all other hooks, so that tests of a group run in a row, even in a single process."""
    yield
    items.sort(key=lambda item: scheduling.rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes, see `scheduling`."""
    return scheduling.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.Scheduling:
    """Use the scheduler of `scheduling`. `--dist loadgroup` groups no tests: pytest 9.2 ignores how it marks them."""
    return scheduling.Scheduling(config, log)


@pytest.fixture
def content_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder that serves as a content root, like one that a user puts on $BREAKEVEN_PATH."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(root)])
    registry.forget()
    yield root
    registry.forget()
