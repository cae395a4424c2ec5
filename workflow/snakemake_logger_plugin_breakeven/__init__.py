"""Snakemake's logger plugin `breakeven`: a run's events become the progress display; all other output stays as it is.

Snakemake finds the module by its name; the profile in workflow/profiles/default switches it on.
"""

from __future__ import annotations

import logging
import re
import sys

from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from breakeven.jobs.snakemake import NOISE

OWN_WORK = re.compile("|".join(NOISE))  # messages on Snakemake's own work. All others are shown.
SILENT = {
    *(LogEvent.WORKFLOW_STARTED, LogEvent.JOB_STARTED, LogEvent.PROGRESS, LogEvent.SHELLCMD),
    *(LogEvent.RULEGRAPH, LogEvent.RESOURCES_INFO, LogEvent.GROUP_INFO),
}
ORIGIN = re.compile(
    r'^WorkflowError in file .*:\n|\n  File ".*", line \d+, in .*$'
)  # the Snakefile's line, no one's help


class LogHandler(LogHandlerBase):
    """Takes Snakemake's events one by one, in the thread of its queue."""

    def __post_init__(self) -> None:
        from breakeven.cli.progress import Display

        settings = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        # Who asks what would be done, or why, wants Snakemake's own words.
        self.verbatim = settings.dryrun or settings.verbose or settings.debug_dag
        # A dry run has no progress: `-n --quiet` would say nothing at all, not even how many jobs there are.
        quiet = set(settings.quiet or ()) - ({Quietness.PROGRESS} if settings.dryrun else set())
        shown = (settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds)
        self.addFilter(DefaultFilter(quiet, *shown))
        self.display = Display(self.stream, color=not settings.nocolor, logs=settings.show_failed_logs)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        try:
            if self.verbatim:
                self._say(record)
            else:
                self._show(record)
        except Exception:
            self.handleError(record)

    def _show(self, record: logging.LogRecord) -> None:
        event, fields = getattr(record, "event", None), vars(record)
        if event == LogEvent.RESOURCES_INFO and "cores" in fields:
            self.display.tally.cores = fields["cores"]
        elif event == LogEvent.RUN_INFO:
            self.display.plan(fields["stats"])
        elif event == LogEvent.JOB_INFO:
            names = ("rule_name", "wildcards", "threads", "output")
            self.display.start(fields["jobid"], *(fields[name] for name in names))
            if self.common_settings.printshellcmds:
                self.display.say(fields["shellcmd"] or "")
        elif event == LogEvent.JOB_FINISHED:
            self.display.finish(fields["job_id"])
        elif event == LogEvent.JOB_ERROR:
            names = ("jobid", "rule_name", "log", "shellcmd", "rule_msg")
            self.display.fail(*(fields.get(name) for name in names))
        elif event == LogEvent.GROUP_ERROR:
            self.display.say(f"{record.msg}: SLURM job {fields.get('external_jobid')}", "red")
        elif event not in SILENT and not OWN_WORK.match(str(record.msg)):
            self._say(record)

    def _say(self, record: logging.LogRecord) -> None:
        text = ORIGIN.sub("", self.format(record) or "")
        if text and text != "None":
            self.display.say(text, {"ERROR": "red", "WARNING": "yellow"}.get(record.levelname, ""))

    def close(self) -> None:
        """Say how the run ended, and give the terminal back."""
        self.display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """In place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake keeps its own log in .snakemake/log."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own, so --quiet works, but for one thing."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Snakemake's own words, for what is not progress."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Counts are enough."""
        return False
