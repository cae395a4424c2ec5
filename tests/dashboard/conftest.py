"""Results folders for the pages, with made-up rows or empty, and a stand-in for the published rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_rows import curve_rows, scaling_rows, write_results

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the pages to an empty folder of published rows."""
    monkeypatch.syspath_prepend(str(DASHBOARD))
    from views import shared

    folder = tmp_path / "published"
    monkeypatch.setattr(shared, "PUBLISHED", folder)
    return folder


@pytest.fixture
def no_results(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the dashboard to an empty results folder."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv("BREAKEVEN_RESULTS", str(folder))
    return folder


@pytest.fixture
def results(no_results: Path) -> Path:
    """Point the dashboard to a results folder with both boards."""
    return write_results(no_results)


@pytest.fixture
def with_curves(no_results: Path) -> Path:
    """Point the dashboard to made-up rows that include curves of increasing compression."""
    return write_results(no_results, curve_rows())


@pytest.fixture
def with_scaling(no_results: Path) -> Path:
    """Point the dashboard to made-up rows that include many training methods."""
    return write_results(no_results, trainings=scaling_rows())
