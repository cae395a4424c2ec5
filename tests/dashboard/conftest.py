"""Results folders for the pages to read: made-up rows, or none; and a stand for the published rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import curve_rows, scaling_rows, write_results

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pages look for published rows: an empty folder."""
    monkeypatch.syspath_prepend(str(DASHBOARD))
    from views import shared

    folder = tmp_path / "published"
    monkeypatch.setattr(shared, "PUBLISHED", folder)
    return folder


@pytest.fixture
def no_results(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the dashboard is told to read."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv("BREAKEVEN_RESULTS", str(folder))
    return folder


@pytest.fixture
def results(no_results: Path) -> Path:
    """A folder with both boards, which the dashboard is told to read."""
    return write_results(no_results)


@pytest.fixture
def with_curves(no_results: Path) -> Path:
    """The same with what methods give as they compress more."""
    return write_results(no_results, curve_rows())


@pytest.fixture
def with_scaling(no_results: Path) -> Path:
    """The same with many ways of training."""
    return write_results(no_results, trainings=scaling_rows())
