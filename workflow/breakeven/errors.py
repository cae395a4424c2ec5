"""The two kinds of failure a user may meet, each carrying a reason to act on."""

import errno
import re
import signal
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum


class Status(StrEnum):
    """How a cell ended. Everything but `ok` carries a reason."""

    OK = "ok"
    UNSUPPORTED = "unsupported"
    OUT_OF_MEMORY = "out_of_memory"
    DIVERGED = "diverged"
    TIMEOUT = "timeout"
    NO_HARDWARE = "no_hardware"
    METHOD_ERROR = "method_error"
    INFRA_ERROR = "infra_error"


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do. Shown without a traceback."""


class CellFailure(Exception):
    """An expected failure of one cell: it becomes a row with this status and reason while the rest goes on."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)  # both, so that it survives a pipe
        self.status = status
        self.reason = reason


class FinalFailure(CellFailure):
    """One that an earlier stage or attempt left: whatever its status, there is nothing to try again."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, else the known names."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


NO_MEMORY = ("can't allocate memory", "Failed to allocate memory", "bad allocation", "std::bad_alloc")
MORE_MEMORY = "use a profile with more memory_gib, or a smaller model or batch"
# What a disk, a network or the system does to a job, whatever the job is: the same job may go well the next time.
BROKEN_INFRASTRUCTURE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EMFILE, errno.ENFILE),
    *(errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENETUNREACH, errno.EHOSTUNREACH),
}


def failure_of(error: Exception) -> CellFailure:
    """What an exception out of a method's or a runtime's code means for its cell."""
    if isinstance(error, CellFailure):
        return error
    kind, text = type(error).__name__, (str(error).strip().splitlines() or [""])[0]
    code = getattr(error, "errno", None)
    from_rank = kind == "ProcessRaisedException"
    if from_rank:  # it arrives as its traceback, whose last line is the one that matters
        kind, _, text = str(error).strip().splitlines()[-1].partition(": ")
        code = int(found[1]) if (found := re.match(r"\[Errno (\d+)\]", text)) else None
    said = (text or kind)[:300]
    no_memory = isinstance(error, MemoryError) or kind.endswith("MemoryError") or code == errno.ENOMEM
    if no_memory or any(sign in str(error) for sign in NO_MEMORY):
        return CellFailure("out_of_memory", f"{said}: {MORE_MEMORY}")
    if (isinstance(error, OSError) or from_rank) and code in BROKEN_INFRASTRUCTURE:
        return CellFailure("infra_error", f"{said}: mend the disk or the network that this names, and run again")
    return CellFailure("method_error", f"{kind}: {said}: see the job's log for the traceback")


def death(what: str, code: int, oom_kills: int) -> CellFailure:
    """What it means for its cell that a process ended before its work did.

    Args:
        what: the process, for people.
        code: its exit code as `multiprocessing` gives it, a signal negative.
        oom_kills: how many processes the kernel has killed for want of memory since it started.
    """
    if code == -signal.SIGKILL and oom_kills:
        return CellFailure("out_of_memory", f"the kernel killed {what} for want of memory: {MORE_MEMORY}")
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        name = signal.Signals(-code).name
        return CellFailure("infra_error", f"{what} was ended from outside ({name}): find out by whom, and run again")
    how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
    return CellFailure("method_error", f"{what} {how}: run the job's line by hand, and see its log")
