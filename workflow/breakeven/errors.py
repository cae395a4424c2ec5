"""The two kinds of failure a user may meet, each carrying a reason to act on."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do. Shown without a traceback."""


class CellFailure(Exception):
    """An expected failure of one cell: it becomes a row with this status and reason while the rest goes on."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, else the known names."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
