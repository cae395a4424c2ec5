"""Memory of a process from the kernel's counts: high-water marks, not samples."""

from __future__ import annotations

import os
import re
import resource
from contextlib import suppress
from pathlib import Path

import psutil

VMSTAT = Path("/proc/vmstat")
_held: dict[int, int] = {}  # bytes by process id, see `note_held`


def resident_bytes() -> int:
    """Bytes of memory that this process holds now (`VmRSS`)."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Sum of the peak bytes of this process, since its start or `reset_peak` (`VmHWM`), and of those it has started."""
    return sum(_peaks().values())


def peak_above_bytes(held_bytes: int) -> int:
    """`peak_bytes` minus the memory before the work: this process's `held_bytes`, and its forks' (`note_held`)."""
    peaks = _peaks()
    return sum(peaks.values()) - held_bytes - sum(_held.get(pid, 0) for pid in peaks)


def note_held(pid: int, held_bytes: int) -> None:
    """Record a fork's memory before its work, to subtract it later: the pages that it inherited from this process."""
    _held[pid] = held_bytes


def reset_peak() -> None:
    """Lower the high-water mark to the present level (`proc(5)`: write 5 to clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def oom_kills() -> int:
    """Number of processes that the kernel has killed for lack of memory since the machine started (`oom_kill`)."""
    found = re.search(r"^oom_kill (\d+)$", VMSTAT.read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def limit(above_bytes: int) -> None:
    """Limit this process, and each one it starts, to `above_bytes` more than this one holds now (`RLIMIT_DATA`)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _status("VmData") + above_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _peaks() -> dict[int, int]:
    """Peak bytes, by process id, of this process and of those it has started."""
    found = {os.getpid(): _status("VmHWM")}
    for child in psutil.Process().children(recursive=True):
        with suppress(OSError):  # the child has ended since
            found[child.pid] = _status("VmHWM", child.pid)
    return found


def _status(field: str, pid: int | None = None) -> int:
    path = Path(f"/proc/{os.getpid() if pid is None else pid}/status")
    found = re.search(rf"^{field}:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{path} has no {field}: Breakeven measures memory on Linux")
    return int(found.group(1)) * 1024
