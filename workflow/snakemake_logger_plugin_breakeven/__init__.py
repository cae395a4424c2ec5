"""Snakemake's logger plugin `breakeven`: it shows a run's events as progress, and leaves all other output unchanged.

Snakemake finds the module by its name. The profile in workflow/profiles/default enables it.
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

OWN_WORK = re.compile("|".join(NOISE))  # matches messages on Snakemake's own work; all other messages are shown
SILENT = {
    *(LogEvent.WORKFLOW_STARTED, LogEvent.JOB_STARTED, LogEvent.PROGRESS, LogEvent.SHELLCMD),
    *(LogEvent.RULEGRAPH, LogEvent.RESOURCES_INFO, LogEvent.GROUP_INFO),
}
ORIGIN = re.compile(
    r'^WorkflowError in file .*:\n|\n  File ".*", line \d+, in .*$'
)  # the Snakefile's line, which does not help users


class LogHandler(LogHandlerBase):
    """Receives Snakemake's events one by one, in the thread of Snakemake's queue."""

    def __post_init__(self) -> None:
        from breakeven.cli.progress import Display

        settings = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        # A dry run, --verbose and --debug-dag ask for Snakemake's own messages.
        self.verbatim = settings.dryrun or settings.verbose or settings.debug_dag
        # A dry run has no progress: `-n --quiet` would print nothing, not even the number of jobs.
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
        """Print the outcome of the run, and release the terminal."""
        self.display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Replace Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Write no file: Snakemake keeps its own log in .snakemake/log."""
        return False

    @property
    def has_filter(self) -> bool:
        """Use Snakemake's own filter, so that --quiet works, except for the number of jobs in a dry run."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Leave the formatter to Snakemake, for messages that are not progress."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Ask for no rule graph: the display needs only counts."""
        return False
