"""The failures that a user may meet: bad input, and the failure of a cell. Each says what to do."""

import errno
import re
import signal
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum


class Status(StrEnum):
    """The outcome of a cell. All but `ok` have a reason."""

    OK = "ok"
    UNSUPPORTED = "unsupported"  # the method cannot do this task on this hardware
    OUT_OF_MEMORY = "out_of_memory"
    DIVERGED = "diverged"  # the training's loss was not finite
    TIMEOUT = "timeout"
    NO_HARDWARE = "no_hardware"  # the machine cannot provide the profile
    METHOD_ERROR = "method_error"  # an error in the method's or the runtime's code
    INFRA_ERROR = "infra_error"  # a disk, the network or the system; the next attempt may succeed


class UserError(Exception):
    """Bad input of the user.

    The message is one line: what is wrong, where, and what to do. It is shown without a traceback.
    """


class CellFailure(Exception):
    """An expected failure of one cell. The cell becomes a row with this status and reason, and all other cells run.

    Args:
        status: a value of `Status` other than `ok`.
        reason: one line for people: what happened, and what to do.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)  # both, so that the exception can be pickled
        self.status = status
        self.reason = reason


class FinalFailure(CellFailure):
    """A failure that an earlier stage or attempt left. It is not tried again, whatever its status."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown name: the nearest known name as a question, or all known names."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


NO_MEMORY = ("can't allocate memory", "Failed to allocate memory", "bad allocation", "std::bad_alloc")
MORE_MEMORY = "use a profile with more memory_gib, or a smaller model or batch"
# Error numbers of a disk, a network or the system. They do not depend on the job, which may succeed the next time.
BROKEN_INFRASTRUCTURE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EMFILE, errno.ENFILE),
    *(errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.ENETUNREACH, errno.EHOSTUNREACH),
}


def failure_of(error: Exception) -> CellFailure:
    """The failure of a cell whose method or runtime raised this exception.

    Returns:
        The exception itself if it is a `CellFailure`; else `out_of_memory`, `infra_error` or `method_error`.
    """
    if isinstance(error, CellFailure):
        return error
    kind, text = type(error).__name__, (str(error).strip().splitlines() or [""])[0]
    code = getattr(error, "errno", None)
    from_rank = kind == "ProcessRaisedException"
    if from_rank:  # the message is the rank's traceback, and its last line names the error
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
    """The failure of a cell whose process ended before its work was done.

    Args:
        what: the process, for messages.
        code: its exit code as in `multiprocessing`: negative for a signal.
        oom_kills: the number of processes that the kernel killed for lack of memory since the process started.

    Returns:
        `out_of_memory`, `infra_error` or `method_error`.
    """
    if code == -signal.SIGKILL and oom_kills:
        return CellFailure("out_of_memory", f"the kernel killed {what} for want of memory: {MORE_MEMORY}")
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        name = signal.Signals(-code).name
        return CellFailure("infra_error", f"{what} was ended from outside ({name}): find out by whom, and run again")
    how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
    return CellFailure("method_error", f"{what} {how}: run the job's line by hand, and see its log")
