"""Files of JSON, and any file that is to be there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any


def write_json(content: Any, path: Path) -> None:
    """Write JSON aside, then rename. Not-a-number and infinity are written as Python's json does."""
    with aside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """JSON that the pipeline wrote."""
    return json.loads(path.read_text())


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
