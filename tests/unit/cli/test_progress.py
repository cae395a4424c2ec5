"""Tests of the progress display on Snakemake's events: its counts, its estimate of the time left and its lines."""

import io
import json
import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings

from breakeven.cli.progress import GUESS_S, Display, Job, Tally, headline, label, span
from snakemake_logger_plugin_breakeven import LogHandler

ROOT = Path(__file__).parents[3]
WILDCARDS = {"task": "fashion_mnist", "training_method": "ddp", "train_hardware": "cpu_2x1", "seed": "1"}


class Clock:
    """A clock that moves only when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def tally(cores: int | None, **total: int) -> Tally:
    return Tally(clock=Clock(), cores=cores, total=Counter(total))


def run(tally: Tally, jobid: int, rule: str, seconds: float, threads: int = 1) -> None:
    tally.threads[rule] = threads
    tally.running[jobid] = Job(rule, "", threads, [], tally.clock())
    tally.clock.now += seconds
    tally.end(jobid, well=True)


def test_before_anything_ran_the_guess_counts_by_its_share_of_the_cores() -> None:
    assert tally(2, train=2, measure=3).left() == 2 * GUESS_S["train"] / 2 + 3 * GUESS_S["measure"]


def test_durations_seen_outweigh_the_guess() -> None:
    found = tally(1, measure=101)
    for jobid in range(100):
        run(found, jobid, "measure", 2.0)
    assert found.left() == pytest.approx((GUESS_S["measure"] + 100 * 2.0) / 101)


def test_a_running_job_counts_down_but_never_below_zero() -> None:
    found = tally(1, train=1)
    found.running[1] = Job("train", "", 1, [], 0.0)
    found.clock.now = 10.0
    assert found.left() == GUESS_S["train"] - 10
    found.clock.now = 10_000.0
    assert found.left() == 0


def test_the_longest_running_job_is_the_least_that_is_left() -> None:
    found = tally(64, train=1)
    found.running[1] = Job("train", "", 1, [], 0.0)
    assert found.left() == GUESS_S["train"]


def test_on_a_cluster_jobs_share_by_how_many_run() -> None:
    found = tally(None, measure=4)
    found.running = {i: Job("measure", "", 1, [], 0.0) for i in range(2)}
    assert found.left() == 4 * GUESS_S["measure"] / 2


def test_an_event_of_an_unknown_job_is_ignored() -> None:
    assert tally(1, train=1).end(7, well=True) is None


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "fashion_mnist ddp@cpu_2x1 seed 1"),
        ({"chain": "low_rank"}, "fashion_mnist low_rank seed 1"),
        ({"chain": "low_rank", "hardware": "cpu_1"}, "fashion_mnist low_rank@cpu_1 seed 1"),
        ({"chain": "low_rank", "accelerator": "cpu"}, "fashion_mnist low_rank@cpu seed 1"),
    ],
)
def test_a_job_is_named_by_its_cell(more: dict[str, str], text: str) -> None:
    assert label({**WILDCARDS, **more}) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(24.4, "24 s"), (89, "89 s"), (360, "6 min"), (4800, "1 h 20 min"), (7200, "2 h 0 min")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_headline_is_the_result_or_the_reason_there_is_none(tmp_path: Path) -> None:
    assert headline([str(tmp_path)]) == ("", True)
    (tmp_path / "evaluation.json").write_text(json.dumps({"status": "ok", "quality": 0.5}))
    assert headline([str(tmp_path)]) == ("quality 0.5", True)
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"status": "ok", "speedup": 1.534, "quality": 0.91234, "metric": "top1_accuracy"}]))
    assert headline([str(tmp_path)]) == ("1.53×, top1_accuracy 0.9123", True)
    rows.write_text(json.dumps([{"status": "no_hardware", "reason": "needs a GPU"}]))
    assert headline([str(tmp_path)]) == ("no_hardware: needs a GPU", False)


def test_lines_without_a_terminal(tmp_path: Path) -> None:
    stream, log = io.StringIO(), tmp_path / "a.log"
    log.write_text("\n".join(f"line [{i}]" for i in range(100)))
    display = Display(stream)
    display.tally.clock, display.tally.cores = Clock(), 1
    display.plan({"train": 1, "compress": 1, "measure": 1, "all": 1, "total": 4})
    display.start(1, "train", WILDCARDS, 1, [])
    display.tally.clock.now = 60.0
    display.finish(1)
    display.start(2, "compress", {**WILDCARDS, "chain": "low_rank"}, 1, [])
    display.fail(2, "compress", [str(log)], "python -m breakeven compress", "SLURM status is: 'TIMEOUT'.")
    display.start(3, "all", {}, 1, [])
    display.finish(3)
    display.close()
    display.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 steps to do, 2 of them cells; about 2 min left."
    assert lines[1] == "[1/3] train    fashion_mnist ddp@cpu_2x1 seed 1   60 s   about 40 s left"
    assert lines[2].startswith("[2/3] compress fashion_mnist low_rank seed 1   0 s   FAILED")
    assert lines[3] == "  SLURM status is: 'TIMEOUT'."
    assert lines[4:6] == ["  command: python -m breakeven compress", f"  log: {log}"]
    assert [lines[6], lines[35]] == ["  | line [70]", "  | line [99]"]
    assert lines[36].startswith("1 of 3 steps done")
    assert lines[37].startswith("1 failed, 1 were not tried")
    assert len(lines) == 38


SNAKEFILE = """
rule all:
    input: "good.txt", "bad.txt"

rule train:
    output: "good.txt"
    shell: "touch {output}"

rule measure:
    output: "bad.txt"
    log: "bad.log"
    shell: "echo the reason > {log}; exit 3"
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """Make a workflow of one job that works and one that fails, with this repository's profile."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "profiles").symlink_to(ROOT / "workflow/profiles")
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_snakemake_shows_what_is_done_and_why_a_job_failed_and_little_else(workflow: Path) -> None:
    code, text = snakemake(workflow)
    assert code == 1 and (workflow / "good.txt").exists()
    assert "2 steps to do, 2 of them cells" in text and "1 of 2 steps done" in text
    assert "  log: bad.log\n  | the reason\n" in text and "FAILED" in text
    assert "Select jobs" not in text and "Traceback" not in text and "WorkflowError" not in text
    assert len(text.splitlines()) <= 12, text


def test_a_dry_run_speaks_snakemakes_own_words(workflow: Path) -> None:
    code, text = snakemake(workflow, "--dry-run")
    assert code == 0 and "Job stats:" in text and "This was a dry-run" in text and "left" not in text
    code, text = snakemake(workflow, "--dry-run", "--quiet")
    assert code == 0 and "Job stats:" in text and "rule " not in text


def test_errors_of_the_snakefile_are_shown_without_its_lines(workflow: Path) -> None:
    text = "from snakemake.exceptions import WorkflowError\nraise WorkflowError('config: no such task')\n"
    (workflow / "Snakefile").write_text(text)
    code, text = snakemake(workflow)
    assert code == 1 and "config: no such task\n" in text and len(text.splitlines()) == 2


def test_other_messages_are_kept() -> None:
    handler = LogHandler(MockOutputSettings(), None)
    handler.display = Display(stream := io.StringIO())
    for level, message in ((logging.INFO, "Building DAG of jobs..."), (logging.WARNING, "something to know")):
        handler.emit(logging.LogRecord("snakemake", level, "", 1, message, (), None))
    handler.close()
    assert stream.getvalue() == "something to know\n"


def test_the_time_left_knows_the_cores_of_the_run() -> None:
    handler = LogHandler(MockOutputSettings(), None)
    record = logging.LogRecord("snakemake", logging.INFO, "", 1, "Provided cores: 2", (), None)
    record.event, record.cores = LogEvent.RESOURCES_INFO, 2
    handler.emit(record)
    assert handler.display.tally.cores == 2
