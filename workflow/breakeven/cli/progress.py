"""Progress display of a run: finished steps, running steps, and the estimated time left."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from breakeven.results import RECORDS

CELLS = {"train", "measure"}  # rules whose jobs become rows of the boards
TARGETS = {"all"}  # rules that do no work
# Estimated seconds of a job on two cores. In the mean it counts as one duration beside those observed in the run.
GUESS_S = {"prepare": 20, "train": 60, "compress": 15, "evaluate": 5, "measure": 25}
OTHER_S = 2.0
ALONE = {"measure"}  # rules that take all cores, even before the first of their jobs starts
LOG_LINES = 30  # shown of a failed job's log


@dataclass
class Job:
    """A running job."""

    rule: str
    label: str
    threads: int
    output: list[str]
    started: float  # clock [s]


@dataclass
class Tally:
    """Counts and durations of a run for each rule, and the estimated time left."""

    clock: Callable[[], float] = time.monotonic
    cores: int | None = None  # cores of the run; None if jobs go to a cluster
    total: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    running: dict[int, Job] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    threads: dict[str, int] = field(default_factory=dict)

    def end(self, jobid: int, well: bool) -> tuple[Job, float] | None:
        """Count a job that ended. Returns the job and its duration [s], or None for an unknown job."""
        job = self.running.pop(jobid, None)
        if job is None:
            return None
        duration = self.clock() - job.started
        (self.done if well else self.failed)[job.rule] += 1
        if well:
            self.seconds[job.rule].append(duration)
        return job, duration

    def expected(self, rule: str) -> float:
        """Expected seconds of a job of this rule: the mean of the first estimate and the observed durations."""
        seen = [GUESS_S.get(rule, OTHER_S), *self.seconds[rule]]
        return sum(seen) / len(seen)

    def left(self) -> float:
        """Estimated seconds until the end: the sum, over jobs, of expected duration times share of the cores."""
        now, waiting = self.clock(), self.total - self.done - self.failed
        rest = {i: max(self.expected(j.rule) - (now - j.started), 0) for i, j in self.running.items()}
        waiting -= Counter(job.rule for job in self.running.values())
        work = sum(count * self.expected(rule) * self._share(rule) for rule, count in waiting.items())
        work += sum(rest[i] * self._share(job.rule) for i, job in self.running.items())
        return max(work, *rest.values(), 0) if rest else work

    def _share(self, rule: str) -> float:
        if self.cores is None:
            return 1 / max(len(self.running), 1)
        threads = self.threads.get(rule, self.cores if rule in ALONE else 1)
        return min(threads, self.cores) / self.cores


class Display:
    """Prints a line for each finished step and, on a terminal, a live view below these lines."""

    def __init__(self, stream: TextIO, color: bool = True, logs: bool = True) -> None:
        self.console = Console(file=stream, no_color=not color or None, highlight=False, soft_wrap=True)
        self.interactive = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.logs = logs
        self.tally = Tally()
        self.began = self.tally.clock()
        self.live: Live | None = None

    def plan(self, counts: Mapping[str, int]) -> None:
        """Set the number of jobs to do for each rule."""
        self.tally.total = Counter({r: n for r, n in counts.items() if r not in TARGETS | {"total"}})
        cells = sum(self.tally.total[rule] for rule in CELLS)
        self.say(f"{self.tally.total.total()} steps to do, {cells} of them cells; {self._left()}.")

    def start(self, jobid: int, rule: str, wildcards: Mapping[str, str], threads: int, output: Iterable[str]) -> None:
        """Record that a job has started."""
        if rule in TARGETS:
            return
        self.tally.threads[rule] = threads
        self.tally.running[jobid] = Job(rule, label(wildcards), threads, list(output), self.tally.clock())
        if self.interactive and self.live is None:
            # Once per second: frequent updates would be foreign load to the timed jobs.
            self.live = Live(
                get_renderable=self._view,
                console=self.console,
                refresh_per_second=1,
                transient=True,
                redirect_stdout=False,
            )
            self.live.start()

    def finish(self, jobid: int) -> None:
        """Record that a job succeeded, and print one line with its result."""
        if ended := self.tally.end(jobid, well=True):
            job, duration = ended
            found, well = headline(job.output)
            self._line(job, duration, found, "" if well else "yellow")
            self._refresh()

    def fail(self, jobid: int, rule: str, logs: Iterable[str], command: str | None, message: str | None = None) -> None:
        """Record that a job failed. Print its line, the cluster's message, its command, and the ends of its logs.

        If a bundle fails, Snakemake reports all members as failed. Members that left their record succeeded.
        """
        running = self.tally.running.get(jobid)
        if running and any(recorded(running.output)):
            self.finish(jobid)
            return
        job, duration = self.tally.end(jobid, well=False) or (Job(rule, "", 1, [], 0), 0.0)
        self._line(job, duration, "FAILED", "bold red")
        if message:
            self.say(f"  {message}")
        if command:
            self.say(f"  command: {command.strip()}")
        for log in logs:
            self.say(f"  log: {log}")
            for line in tail(Path(log)) if self.logs else []:
                self.say(f"  | {line}", "dim")
        self._refresh()

    def say(self, text: str, style: str = "") -> None:
        """Print text unchanged, above the live view."""
        if style or self.live:
            self.console.print(Text(text, style))
        else:  # the same output without rich's work: a dry run prints a lot
            print(text, file=self.console.file, flush=True)

    def close(self) -> None:
        """End the live view, and print the outcome of the run."""
        if self.live:
            self.live.stop()
        tally, self.tally = self.tally, Tally()  # Snakemake may call this more than once
        done, failed, total = tally.done.total(), tally.failed.total(), tally.total.total()
        if done or failed:
            rest = "" if failed or done >= total else " The same command goes on from here."
            self.say(f"{done} of {total} steps done in {span(tally.clock() - self.began)}.{rest}")
        if failed:
            left = f", {total - done - failed} were not tried" if total > done + failed else ""
            self.say(f"{failed} failed{left}; see above, then run the same command again for what is missing.", "red")

    def _line(self, job: Job, duration: float, found: str, style: str) -> None:
        ended = self.tally.done.total() + self.tally.failed.total()
        parts = [f"[{ended}/{self.tally.total.total()}] {job.rule:<8} {job.label}", span(duration), found]
        if not self.interactive and ended < self.tally.total.total():
            parts.append(self._left())
        self.say("   ".join(part for part in parts if part), style)

    def _refresh(self) -> None:
        if self.live:
            self.live.refresh()

    def _left(self) -> str:
        return f"about {span(self.tally.left())} left"

    def _view(self) -> RenderableType:
        tally = self.tally
        running = Table.grid(padding=(0, 2))
        for job in tally.running.values():
            running.add_row(Text(job.rule, "cyan"), Text(job.label), Text(span(tally.clock() - job.started), "dim"))
        ended, total = tally.done.total() + tally.failed.total(), tally.total.total()
        bar = ProgressBar(total=max(total, 1), completed=ended, width=30)
        cells = f"{sum(tally.done[rule] for rule in CELLS)}/{sum(tally.total[rule] for rule in CELLS)} cells"
        failed = Text(f"{tally.failed.total()} failed", "red") if tally.failed else ""
        summary = Table.grid(padding=(0, 2))
        summary.add_row(
            bar, f"{ended}/{total} steps", cells, failed, span(tally.clock() - self.began), Text(self._left(), "bold")
        )
        return Group(running, summary) if tally.running else summary


def label(wildcards: Mapping[str, str]) -> str:
    """The label of a job, from its wildcards: task, chain or training method, hardware, seed; or a board."""
    w = defaultdict(str, wildcards)
    work = w["chain"] or w["training_method"]
    place = (w["hardware"] or w["accelerator"]) if w["chain"] else w["train_hardware"]
    parts = [w["task"] or w["board"], f"{work}@{place}" if place else work, f"seed {w['seed']}" if w["seed"] else ""]
    return " ".join(part for part in parts if part)


def recorded(outputs: Iterable[str]) -> Iterator[Path]:
    """Find the records in the output folders of a step."""
    return (path for output in outputs for name in RECORDS if (path := Path(output) / name).exists())


def headline(outputs: Iterable[str]) -> tuple[str, bool]:
    """The result of a step, from its record, and False for a failed cell. Without a record the result is empty."""
    for path in recorded(outputs):
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        record = record[0] if isinstance(record, list) else record
        if (status := record.get("status")) != "ok":
            return f"{status}: {record.get('reason')}", False
        speedup, quality, metric = record.get("speedup"), record.get("quality"), record.get("metric", "quality")
        parts = [f"{speedup:.2f}×" if speedup else "", f"{metric} {quality:.4g}" if quality else ""]
        return ", ".join(part for part in parts if part), True
    return "", True


def tail(log: Path) -> list[str]:
    """The last lines of a log."""
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError as error:
        return [f"(no log: {error.strerror})"]


def span(seconds: float) -> str:
    """Format a duration: 24 s, 6 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
