"""The dashboard in a real browser: Debian's Chromium, driven by Playwright, against a server of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from fixture_rows import write_results
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
# Chromium of the machine, in a container without a GPU, that calls nobody.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 60
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on made-up rows."""
    results = write_results(tmp_path_factory.mktemp("results"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}", "--server.fileWatcherType=none"]
    environment = {**os.environ, "BREAKEVEN_RESULTS": str(results)}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_until_it_serves(server, f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate()


def wait_until_it_serves(server: subprocess.Popen[str], health: str) -> None:
    """Return once the server has announced its address and says that it is well; fail if it ends before."""
    assert server.stdout is not None
    if not any("URL:" in line for line in server.stdout):
        pytest.fail(f"streamlit ended with status {server.wait()}")
    with urlopen(health, timeout=PATIENCE_S) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page
        browser.close()


def tables(page: Page) -> Locator:
    """The tables in sight: each is painted on a canvas, with a table for screen readers behind it."""
    return page.locator("[data-testid=stDataFrame]:visible")


def cells(table: Locator) -> Locator:
    """A table's cells; only what the window shows is there."""
    table.scroll_into_view_if_needed()
    return table.locator("table[role=grid]")


def test_the_table_shows_and_a_filter_changes_it(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    expect(page.get_by_role("heading", name="Leaderboard")).to_be_visible()
    expect(tables(page)).to_have_count(2)
    first = cells(tables(page).first)
    expect(first).to_contain_text("int8_static")
    expect(first).to_contain_text("onnxruntime")
    choose(page, "Task", "spoken_words")
    expect(tables(page)).to_have_count(1)
    choose(page, "Runtime", "eager")
    expect(first).not_to_contain_text("onnxruntime")
    expect(first).to_contain_text("channel_pruning-ratio=0.5")


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of a multiple choice in the sidebar."""
    page.locator("[data-testid=stSidebar]").get_by_label(label).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")


def test_the_training_tab_shows_its_board(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    page.get_by_role("tab", name="Training").click()
    expect(cells(tables(page))).to_contain_text("ddp@cpu_2x1")
    expect(page.get_by_text("needs 1 CUDA device(s)")).to_be_visible()


def test_a_click_on_a_pareto_point_opens_its_row(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{address}/pareto")
    expect(page.get_by_text("Click a point to open its row.")).to_be_visible()
    page.locator("[aria-roledescription=point][aria-label*='Method: int8_static;']").click()
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()
    row = cells(tables(page).first)
    expect(row).to_contain_text("latency p50 ms")
    expect(row).to_contain_text("0.837838")


def test_break_even_marks_never(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{address}/break-even")
    expect(cells(tables(page))).to_contain_text("never")
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(2)
