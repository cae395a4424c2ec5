"""Small files in the true formats of tasks whose data no package index has: the contract holds for them too."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# The network is a small one: those that such data is for take minutes here.
TEXTS = {"cifar10": "cifar10-network=test_resnet", "imagenet_folder": "imagenet_folder-network=test_resnet"}


def supply(task: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Files for the task in a folder, if none can be fetched; the text by which the task is made."""
    if task == "cifar10":
        from breakeven.plugins.tasks.vision.cifar10 import pictures

        archive = cifar10(folder / "downloads" / pictures.ARCHIVE)
        patch.setenv("BREAKEVEN_CACHE", str(folder))
        patch.setattr(pictures, "MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    if task == "imagenet_folder":
        patch.setenv("BREAKEVEN_IMAGENET", str(imagenet(folder)))
    return TEXTS.get(task, task)


def cifar10(path: Path, batch: int = 256) -> Path:
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


def imagenet(folder: Path, train: int = 216, test: int = 48, classes: int = 6) -> Path:
    """Its two folders, with so many pictures of each class in them, of several sizes and two colour models."""
    draw = np.random.default_rng(0)
    for part, n in (("train", train), ("val", test)):
        for label in range(classes):
            name = f"n0144076{label}"
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                height, width = draw.integers(20, 60, 2)
                shape = (height, width, 3) if i % 10 else (height, width)  # ImageNet has grey ones too
                pixels = draw.integers(0, 120, shape, dtype=np.uint8) + np.uint8(20 * label)
                Image.fromarray(pixels).save(folder / part / name / f"{name}_{i}.JPEG")
    return folder
