"""The two kinds of failure a user may meet, each carrying a reason to act on."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do. Shown without a traceback."""


class CellFailure(Exception):
    """An expected failure of one cell: it becomes a row with this status and reason while the rest goes on."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)  # both, so that it survives a pipe
        self.status = status
        self.reason = reason


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, else the known names."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


def failure_of(error: Exception) -> CellFailure:
    """What an exception out of a method's or a runtime's code means for its cell."""
    if isinstance(error, CellFailure):
        return error
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # An exception out of a rank arrives as its traceback, whose last line is the one that matters.
    text = (lines[-1] if type(error).__name__ == "ProcessRaisedException" else lines[0])[:300]
    if type(error).__name__ in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in text:
        return CellFailure("out_of_memory", f"{text}: use a profile with more memory or a smaller batch")
    return CellFailure("method_error", f"{type(error).__name__}: {text}: see the job's log for the traceback")
