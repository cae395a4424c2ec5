"""A folder in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TEXT = "coco-backbone=test_resnet-side=64"
CATEGORIES = {1: "person", 3: "car", 90: "toothbrush"}  # COCO's ids have gaps


def supply(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The folder, named, and a cache of its own."""
    patch.setenv("BREAKEVEN_COCO", str(write(folder / "coco")))
    patch.setenv("BREAKEVEN_CACHE", str(folder / "cache"))


def write(folder: Path, train: int = 704, test: int = 96) -> Path:
    """Its two folders of pictures and two files of annotations; a bright thing or two in most pictures."""
    draw = np.random.default_rng(0)
    for name, n, first in (("train2017", train, 10), ("val2017", test, 500_010)):
        (folder / name).mkdir(parents=True)
        images, annotations = [], []
        for i in range(n):
            width, height = (int(side) for side in draw.choice([48, 64, 80], 2))
            pixels = draw.integers(0, 100, (height, width, 3), dtype=np.uint8)
            number = 7 * i + first  # neither are pictures numbered without gaps
            boxes = [] if i % 10 == 9 else [thing(pixels, draw) for _ in range(1 + i % 2)]
            annotations += [{"id": len(annotations) + j, "image_id": number} | b for j, b in enumerate(boxes, start=1)]
            images.append({"id": number, "file_name": f"{number:012}.jpg", "width": width, "height": height})
            Image.fromarray(pixels).save(folder / name / images[-1]["file_name"])
        save(folder, name, images[::-1], annotations)
    return folder


def save(folder: Path, name: str, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> None:
    """A file of annotations."""
    path = folder / "annotations" / f"instances_{name}.json"
    path.parent.mkdir(exist_ok=True)
    categories = [{"id": i, "name": name, "supercategory": "thing"} for i, name in CATEGORIES.items()]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))


def thing(pixels: np.ndarray, draw: np.random.Generator) -> dict[str, Any]:
    """Paint a thing in one of three colours, in place; its annotation."""
    kind, (width, height) = int(draw.integers(3)), (int(side) for side in draw.integers(12, 30, 2))
    x, y = int(draw.integers(pixels.shape[1] - width)), int(draw.integers(pixels.shape[0] - height))
    pixels[y : y + height, x : x + width, kind] = 250
    box = [float(x), float(y), float(width), float(height)]
    return {"category_id": list(CATEGORIES)[kind], "bbox": box, "area": width * height, "iscrowd": 0}
