"""Reads a folder in COCO's format: the images' names and their boxes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCO

from breakeven.data.published import named_folder
from breakeven.errors import UserError

VARIABLE = "BREAKEVEN_COCO"
TRAINING, TESTING = "train2017", "val2017"
FILES = {name: f"annotations/instances_{name}.json" for name in (TRAINING, TESTING)}
LAYOUT = f"a folder with {', '.join(FILES.values())}, {TRAINING}/ and {TESTING}/"
VALIDATION = 20  # one of so many training images is for validation


@dataclass(frozen=True)
class Annotated:
    """Images: their paths in the folder, the boxes of each, float32 [n, 5], and the names of the categories by id."""

    files: list[str]
    boxes: list[np.ndarray]
    categories: dict[int, str]


def folder() -> Path:
    """The folder that the user names.

    Raises:
        UserError: the variable is not set, or the folder has another layout.
    """
    return named_folder(VARIABLE, LAYOUT, holding=(*FILES.values(), TRAINING, TESTING))


def fingerprint() -> str:
    """A hash of the annotations' sizes and dates. The files have hundreds of MB, too much to read for each cell."""
    stats = [(folder() / path).stat() for path in FILES.values()]
    return hashlib.sha256(repr([(each.st_size, each.st_mtime_ns) for each in stats]).encode()).hexdigest()[:12]


def build() -> dict[str, np.ndarray]:
    """Make paths and boxes of each part, and the number of classes, int64 [1].

    Paths are uint8 [n, longest], ended by zeros. Boxes are float32 [n, most, 5]: x1, y1, x2, y2 as shares of the
    image's longer side, and the class. Rows of -1 follow the last box.

    Raises:
        UserError: annotations are damaged or disagree, or an image is missing.
    """
    train, test = (read(folder(), name) for name in FILES)
    if train.categories != test.categories:
        raise UserError(f"{VARIABLE}: {' and '.join(FILES.values())} list other categories: make them agree")
    order = np.random.default_rng(0).permutation(len(train.files))
    held_out, rest = np.split(order, [-(-len(order) // VALIDATION)])
    chosen = {"train": (train, sorted(rest)), "val": (train, sorted(held_out)), "test": (test, range(len(test.files)))}
    most = max(1, *(len(boxes) for boxes in train.boxes + test.boxes))
    arrays = {"classes": np.array([len(train.categories)])}
    for part, (pictures, indices) in chosen.items():
        arrays[f"{part}_files"] = _bytes([pictures.files[i] for i in indices])
        arrays[f"{part}_boxes"] = _padded([pictures.boxes[i] for i in indices], most)
    return arrays


def read(root: Path, name: str) -> Annotated:
    """Read the images and boxes of `train2017` or `val2017`, in the order of the images' ids.

    Raises:
        UserError: the annotations are damaged, or an image is missing.
    """
    path = root / FILES[name]
    try:
        coco = COCO(path)
        _check(coco)
        images, categories = ({i: of[i] for i in sorted(of)} for of in (coco.imgs, coco.cats))
        classes = {category: i for i, category in enumerate(categories)}
        files = [image["file_name"] for image in images.values()]
        boxes = [_boxes(coco.imgToAnns.get(i, []), classes, image) for i, image in images.items()]
        names = {i: category["name"] for i, category in categories.items()}
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: not in COCO's format ({said}): correct it, or get it anew") from error
    _require(root / name, files)
    return Annotated([f"{name}/{file}" for file in files], boxes, names)


def _check(coco: COCO) -> None:
    for what, known, used in (("category", coco.cats, coco.catToImgs), ("image", coco.imgs, coco.imgToAnns)):
        if not known:
            raise ValueError(f"it lists no {what}")
        if strange := sorted(set(used) - set(known)):
            raise ValueError(f"a box is of {what} {strange[0]}, which it does not list")


def _boxes(annotations: Iterable[dict[str, Any]], classes: dict[int, int], image: dict[str, Any]) -> np.ndarray:
    """The boxes of an image [n, 5], cut at its edges, without crowds and without boxes outside the image."""
    rows = [(*each["bbox"], classes[each["category_id"]]) for each in annotations if not each.get("iscrowd", 0)]
    x, y, width, height, kind = np.array(rows, np.float64).reshape(len(rows), 5).T
    corners = np.stack([x, y, x + width, y + height], axis=1)
    corners = corners.clip(0, [image["width"], image["height"]] * 2)
    left = (corners[:, 2:] > corners[:, :2]).all(1)
    corners /= max(image["width"], image["height"])
    return np.column_stack([corners, kind])[left].astype(np.float32)


def _require(folder: Path, files: list[str]) -> None:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    if lacking := [file for file in files if file not in there]:
        raise UserError(
            f"{VARIABLE}: {folder} lacks {len(lacking)} of the {len(files)} pictures that its annotations list, such "
            f"as {lacking[0]}: put them there"
        )


def _bytes(names: list[str]) -> np.ndarray:
    encoded = np.array([name.encode() for name in names])
    return encoded.view(np.uint8).reshape(len(names), -1)


def _padded(boxes: list[np.ndarray], most: int) -> np.ndarray:
    rows = np.full((len(boxes), most, 5), -1, np.float32)
    for i, found in enumerate(boxes):
        rows[i, : len(found)] = found
    return rows
