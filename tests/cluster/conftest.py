"""One cluster for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cluster as clusters
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them on a machine that cannot run a cluster."""
    reason = clusters.missing()
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("cluster")
            item.add_marker("slow")
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def cluster() -> Iterator[clusters.Cluster]:
    """A cluster of two idle nodes."""
    with clusters.running() as cluster:
        yield cluster
