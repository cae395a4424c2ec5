"""Memory of a process as the kernel counts it: high-water marks, not samples."""

from __future__ import annotations

import re
from pathlib import Path


def resident_bytes() -> int:
    """Memory this process holds now (`VmRSS`)."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most this process has held since it began or since `reset_peak` (`VmHWM`)."""
    return _status("VmHWM")


def reset_peak() -> None:
    """Lower the high-water mark to the present level (`proc(5)`: writing 5 to clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {field}: Breakeven measures memory on Linux")
    return int(found.group(1)) * 1024
