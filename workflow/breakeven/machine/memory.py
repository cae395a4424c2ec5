"""Memory of a process as the kernel counts it: high-water marks, not samples."""

from __future__ import annotations

import os
import re
import resource
from contextlib import suppress
from pathlib import Path

import psutil

VMSTAT = Path("/proc/vmstat")
_held: dict[int, int] = {}  # by process, see `note_held`


def resident_bytes() -> int:
    """Memory this process holds now (`VmRSS`)."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most that this process has held since it began or since `reset_peak` (`VmHWM`), and those it has started."""
    return sum(_peaks().values())


def peak_above_bytes(held_bytes: int) -> int:
    """The same, above what this process held before its work, and what those it has started did: see `note_held`."""
    peaks = _peaks()
    return sum(peaks.values()) - held_bytes - sum(_held.get(pid, 0) for pid in peaks)


def note_held(pid: int, held_bytes: int) -> None:
    """Note what a process that was forked from this one held before its work: pages that it got from here."""
    _held[pid] = held_bytes


def reset_peak() -> None:
    """Lower the high-water mark to the present level (`proc(5)`: writing 5 to clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def oom_kills() -> int:
    """Processes that the kernel has killed on this machine, since it started, for want of memory (`oom_kill`)."""
    found = re.search(r"^oom_kill (\d+)$", VMSTAT.read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def limit(above_bytes: int) -> None:
    """Let this process and those it starts hold `above_bytes` more than this one holds now (`RLIMIT_DATA`)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _status("VmData") + above_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _peaks() -> dict[int, int]:
    """Of this process, and of those it has started."""
    found = {os.getpid(): _status("VmHWM")}
    for child in psutil.Process().children(recursive=True):
        with suppress(OSError):  # it has ended since
            found[child.pid] = _status("VmHWM", child.pid)
    return found


def _status(field: str, pid: int | None = None) -> int:
    path = Path(f"/proc/{os.getpid() if pid is None else pid}/status")
    found = re.search(rf"^{field}:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{path} has no {field}: Breakeven measures memory on Linux")
    return int(found.group(1)) * 1024
