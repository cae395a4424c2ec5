"""The dashboard in a real browser: Debian's Chromium, driven by Playwright, against a server of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import pytest
from fixture_rows import curve_rows, scaling_rows, write_results
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
# The machine's Chromium, set up for a container without a GPU and without any calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 120
expect.set_options(timeout=1e3 * PATIENCE_S)  # for a page that runs beside other tests
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a dashboard with made-up rows."""
    yield from serving(write_results(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def with_curves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a dashboard whose rows also have curves and many training methods."""
    yield from serving(write_results(tmp_path_factory.mktemp("curves"), curve_rows(), scaling_rows()))


def serving(results: Path) -> Iterator[str]:
    """Serve a results folder."""
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
    """Return when the server has announced its address and reports health; fail if it ends before."""
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


@pytest.fixture
def said(browser_page: Page) -> Iterator[list[str]]:
    """Collect the browser's complaints. A page below the root asks for the server's health at two addresses, one of
    which does not exist. Streamlit finds its root in this way, so these complaints are left out."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "_stcore" not in str(message.location):
            complaints.append(message.text)

    def fail(error: object) -> None:
        complaints.append(str(error))

    browser_page.on("console", listen)
    browser_page.on("pageerror", fail)
    yield complaints
    browser_page.remove_listener("console", listen)
    browser_page.remove_listener("pageerror", fail)


def tables(page: Page) -> Locator:
    """Return the visible tables."""
    return page.locator(".place table:visible")


def line(table: Locator, name: str) -> Locator:
    """Return the row of a method or a training in a table."""
    return table.locator("tbody tr").filter(has=table.page.get_by_role("cell", name=name, exact=True))


def tip(page: Page) -> Locator:
    """Return the visible reason."""
    return page.locator("[role=tooltip]:visible")


def test_the_table_shows_and_a_filter_changes_it(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    expect(page.get_by_role("heading", name="Leaderboard")).to_be_visible()
    expect(tables(page)).to_have_count(2)
    first = tables(page).first
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


def test_shared_ranks_read_as_shared_and_a_flag_says_why(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    first = tables(page).first
    expect(first.locator("tbody tr td:first-child")).to_have_text(["1", "2=", "2=", "4=", "4=", "6", "–", "–", "–"])
    row = line(first, "channel_pruning-ratio=0.5")
    expect(tip(page)).to_have_count(0)
    for flag, reason in (("gate uncertain", "includes the gate"), ("self-reported", "breakeven verify")):
        row.get_by_text(flag, exact=True).hover()
        expect(tip(page)).to_contain_text(reason)
    page.get_by_role("heading", name="Leaderboard").hover()
    expect(tip(page)).to_have_count(0)
    line(first, "low_rank+int8_dynamic").get_by_text("unsupported").focus()  # reached by keyboard and touch alike
    expect(tip(page)).to_contain_text("has no linear layer")
    page.get_by_role("heading", name="Leaderboard").click()
    expect(tip(page)).to_have_count(0)


def test_a_click_on_a_header_sorts_and_gaps_come_last(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    first = tables(page).first
    ranks = first.locator("tbody tr td:first-child")
    speed = first.locator("th").filter(has_text="Speed-up")
    speed.click()
    expect(first.locator("tbody tr").first).to_contain_text("int8_dynamic")
    expect(ranks.last).to_have_text("–")
    speed.click()
    expect(first.locator("tbody tr").first).to_contain_text("channel_pruning-ratio=0.5+int8_static")
    expect(first.locator("tbody tr").last).to_contain_text("unsupported")
    speed.click()
    expect(ranks.first).to_have_text("1")


def test_a_budget_takes_rows_out_of_the_ranking(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    page.get_by_text("Budgets").click()
    page.get_by_label("Latency p50 of a call, ms").fill("3")
    page.keyboard.press("Enter")
    first = tables(page).first
    expect(line(first, "fp32").locator("td").first).to_have_text("–")
    expect(line(first, "int8_static").locator("td").first).to_have_text("1")


def test_the_rows_shown_arrive_as_a_file(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="These rows as CSV").click()
    lines = waiting.value.path().read_text().splitlines()
    assert len(lines) == 1 + 18
    assert "speedup_ci_low" in lines[0]


def test_the_training_tab_shows_its_board(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    page.get_by_role("tab", name="Training").click()
    expect(tables(page)).to_contain_text("ddp@cpu_2x1")
    expect(page.get_by_text("needs 1 CUDA device(s)")).to_be_visible()
    line(tables(page), "ddp@cpu_2x1").locator(".why").last.hover()
    expect(tip(page)).to_be_visible()


def test_a_method_opens_its_row_within_the_session(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    choose(page, "Task", "spoken_words")
    expect(tables(page)).to_have_count(1)
    tables(page).get_by_role("link", name="int8_static", exact=True).click()
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()
    assert page.url.endswith("row?cell=spoken_words%2Fint8_static&scenario=single_stream&machine=fixture")
    page.go_back()
    expect(page.get_by_role("heading", name="Leaderboard")).to_be_visible()


def test_a_deep_link_shows_a_row_and_its_commands(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{address}/row?cell=fashion_mnist/int8_static&scenario=single_stream")
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()
    expect(page.get_by_text("breakeven verify fashion_mnist/int8_static")).to_be_visible()
    expect(page.get_by_text("snakemake --cores all --config")).to_be_visible()
    expect(page.get_by_text("0.837838")).to_be_visible()
    expect(page.get_by_text("only on CUDA").first).to_be_visible()
    page.locator("[data-testid=stMarkdownBadge], .stMarkdownBadge").filter(has_text="self-reported").first.hover()
    expect(page.get_by_role("tooltip").filter(has_text="breakeven verify")).to_be_visible()


def test_a_click_on_a_pareto_point_opens_its_row(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{address}/pareto")
    expect(page.get_by_text("Click a point to open its row.")).to_be_visible()
    page.locator("[aria-roledescription=point][aria-label*='Method: int8_static;']").click()
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()
    time = tables(page).filter(has_text="latency_p50_ms")
    expect(time).to_contain_text("0.837838")
    page.get_by_role("link", name="Open the page of this row, with the commands that measure it again").click()
    expect(page.get_by_text("breakeven verify fashion_mnist/int8_static")).to_be_visible()


def test_break_even_marks_never_and_says_the_command(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{address}/calculator")
    expect(tables(page)).to_contain_text("never")
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(2)
    expect(page.get_by_text("breakeven cheapest --inferences 1e+06")).to_be_visible()


def test_curves_show_theory_beside_what_was_measured(with_curves: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{with_curves}/curves")
    charts = page.locator("[data-testid=stVegaLiteChart]")
    expect(charts).to_have_count(2)
    point = "[aria-roledescription=point][aria-label*='{}']"
    expect(charts.first.locator(point.format("Curve: magnitude_pruning-sparsity=…;"))).to_have_count(7)
    expect(charts.last.locator(point.format("Speed-up: measured"))).to_have_count(7 + 6 + 6)
    expect(charts.last.locator(point.format("Speed-up: by arithmetic"))).to_have_count(7 + 6 + 6)
    page.get_by_role("button", name="channel_pruning-ratio=…").click()  # switch it off
    expect(charts.last.locator(point.format("Speed-up: measured"))).to_have_count(7 + 6)
    page.get_by_text("FLOPs", exact=True).click()
    expect(charts.first).to_contain_text("Theoretical speed-up (FLOPs)")


def test_scaling_says_what_wins_where(with_curves: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{with_curves}/scaling")
    charts = page.locator("[data-testid=stVegaLiteChart]")
    expect(charts).to_have_count(6)
    point = "[aria-roledescription=point][aria-label*='{}']"
    expect(charts.nth(0).locator(point.format("Training method: "))).to_have_count(1 + 9 * 4)
    expect(charts.nth(2).locator(point.format("Link: 200 Mbit/s"))).to_have_count(9)
    expect(charts.nth(4).locator("[aria-roledescription=bar][aria-label*='Training method: fsdp;']")).to_have_count(4)
    wins = tables(page).first
    wins.locator(".why").get_by_text("local_sgd").first.hover()
    expect(tip(page)).to_contain_text("the speed of one device")
    page.get_by_text("Time to target", exact=True).click()
    expect(page.get_by_text("Missed the target, and therefore in no chart of the time: ").first).to_be_visible()
    expect(charts.nth(0).locator(point.format("Training method: "))).to_have_count(1 + 9 * 4)
    expect(charts.nth(1).locator(point.format("Training method: "))).to_have_count(1 + 8 * 4 - 1)


def test_a_method_is_opened_from_the_list_and_from_a_row(with_curves: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{with_curves}/method")
    tables(page).get_by_role("link", name="magnitude_pruning", exact=True).click()
    expect(page.get_by_role("heading", name="magnitude_pruning")).to_be_visible()
    assert page.url.endswith("method?method=magnitude_pruning")
    expect(page.get_by_role("link", name="arXiv:1506.02626")).to_have_attribute(
        "href", "https://arxiv.org/abs/1506.02626"
    )
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(2)
    verdict = tables(page).get_by_text("helped: smaller packed").first
    verdict.hover()
    expect(tip(page)).to_contain_text("smaller packed")
    page.goto(f"{with_curves}/row?cell=fashion_mnist/int8_static&scenario=single_stream")
    page.get_by_role("link", name="About int8_static").click()
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()


def test_a_task_is_opened_from_a_board_and_its_methods_from_there(address: str, browser_page: Page) -> None:
    page = browser_page
    page.goto(address)
    page.get_by_role("link", name="About fashion_mnist").click()
    expect(page.get_by_role("heading", name="Fashion-MNIST")).to_be_visible()
    assert page.url.endswith("task?task=fashion_mnist")
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(1)
    verdicts = tables(page).filter(has_text="Verdict")
    verdicts.get_by_text("helped: faster, smaller").first.hover()
    expect(tip(page)).to_contain_text("over fp32 in")
    verdicts.get_by_role("link", name="int8_static", exact=True).click()
    expect(page.get_by_role("heading", name="int8_static")).to_be_visible()
    page.goto(f"{address}/task")
    tables(page).get_by_role("link", name="movie_sentiment", exact=True).click()
    expect(page.get_by_text("tasks=[movie_sentiment]")).to_be_visible()


# Per page, the number of whiskers in its charts. Rows with an interval have one.
WHISKERS = {
    "": 2 * 8,  # per task, one for each bar
    "pareto": 8 + 7,  # for the quality, and for the latency except the reference's
    "calculator": 2 * 6,  # for N* in both charts, of chains that pay off
    "overall": 2 * 6,  # for the gain of each ranked row
    "task?task=fashion_mnist": 8 + 8,  # for the quality kept, and for the speed-up
}


@pytest.mark.parametrize("name", WHISKERS)
def test_every_bar_and_point_has_its_interval(address: str, browser_page: Page, name: str) -> None:
    page = browser_page
    page.goto(f"{address}/{name}")
    whiskers = page.locator("svg line[aria-roledescription='rule mark'][aria-label*='chain:']")
    expect(whiskers).to_have_count(WHISKERS[name])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize(
    "name",
    [
        *("", "overall", "pareto", "calculator", "row?cell=fashion_mnist/fp32", "protocol"),
        *("curves", "method", "method?method=magnitude_pruning", "task", "task?task=fashion_mnist"),
        *("scaling", "method?method=ddp"),
    ],
)
def test_a_page_fits_its_window_and_the_browser_has_no_complaint(
    with_curves: str, browser_page: Page, said: list[str], name: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = browser_page
    page.set_viewport_size({"width": width, "height": 1000})
    page.emulate_media(color_scheme=scheme)
    try:
        page.goto(f"{with_curves}/{name}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)
        page.wait_for_timeout(500)  # ms, time to draw the charts
        wide = page.evaluate("[...document.querySelectorAll('[data-testid=stMain], html')].map(e => e.scrollWidth)")
        assert max(wide) <= width
        if name in ("", "overall", "calculator"):
            colours = (
                tables(page)
                .first.locator("td")
                .first.evaluate("cell => [getComputedStyle(cell).color, getComputedStyle(cell).backgroundColor]")
            )
            brightness = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) for colour in colours]
            assert (brightness[0] > brightness[1]) == (scheme == "dark")
        assert not said
    finally:
        page.set_viewport_size({"width": 1400, "height": 1000})
        page.emulate_media(color_scheme="light")
