"""Shared fixtures: a content root of one's own, as a user would put on $BREAKEVEN_PATH."""

from pathlib import Path

import pytest
from hypothesis import settings

from breakeven import chain, plugins, registry

settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
settings.load_profile("untimed")


@pytest.fixture
def content_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose units are found beside the repository's own."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(root)])
    forget()
    yield root
    forget()


def forget() -> None:
    """Make the registry look again."""
    for cached in (registry.units, registry.hardware, registry._create, chain.parse):
        cached.cache_clear()
