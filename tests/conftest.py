"""Shared fixtures, and how tests share the machine when several run at a time."""

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
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process for each core is enough


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Sort the tests last of all, so that those of a group follow each other also where one process runs them."""
    yield
    items.sort(key=lambda item: scheduling.rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """See `scheduling`."""
    return scheduling.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.Scheduling:
    """See `scheduling`: `--dist loadgroup` puts no two tests together since pytest 9.2 ignores how it marks them."""
    return scheduling.Scheduling(config, log)


@pytest.fixture
def content_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose units are found beside the repository's own, as a user would put on $BREAKEVEN_PATH."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(root)])
    registry.forget()
    yield root
    registry.forget()
