"""CIFAR-10."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

TEXT = "cifar10-network=test_resnet"


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Its archive in the cache's folder for downloads."""
    from breakeven.plugins.tasks.vision.cifar10 import pictures

    content = write(folder / "downloads" / pictures.ARCHIVE.name).read_bytes()
    patch.setenv("BREAKEVEN_CACHE", str(folder))
    patch.setattr(pictures, "ARCHIVE", replace(pictures.ARCHIVE, checksum=f"md5:{hashlib.md5(content).hexdigest()}"))


def write(path: Path, batch: int = 256) -> Path:
    """Its archive of six files, with so many pictures in each: the brighter, the higher their label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    with tarfile.open(path, "w:gz") as archive:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            labels = draw.permutation(batch).astype(np.uint8) % 10
            pixels = draw.integers(0, 100, (batch, 3 * 32 * 32), dtype=np.uint8) + 15 * labels[:, None]
            content = np.concatenate([labels[:, None], pixels], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
