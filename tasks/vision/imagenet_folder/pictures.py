"""Lists the images of a folder with ImageNet's layout, and makes the model's inputs of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder

from breakeven.data.published import named_folder
from breakeven.errors import UserError

VARIABLE = "BREAKEVEN_IMAGENET"
LAYOUT = "a folder with pictures in train/<class>/ and val/<class>/"
VALIDATION = 20  # one of so many training images is for validation


@dataclass(frozen=True)
class Part:
    """The files of a part and their classes, int64 [n]."""

    files: list[str]
    labels: Tensor


def folder() -> Path:
    """The folder that the user names.

    Raises:
        UserError: the variable is not set, or the folder has another layout.
    """
    return named_folder(VARIABLE, LAYOUT, holding=("train", "val"))


def classes() -> list[str]:
    """The classes' names, in the order of the logits."""
    return _look(folder())[0]


def listed() -> dict[str, Part]:
    """The files and labels of each part."""
    return _look(folder())[1]


def sha256() -> str:
    """The sha256 over the paths and sizes of all files."""
    digest, root = hashlib.sha256(), folder()
    for name in sorted(name for part in listed().values() for name in part.files):
        path = Path(name)
        digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def size(network: str) -> int:
    """The width and height [pixels] of the inputs of a timm network."""
    return _config(network)["input_size"][-1]


def transform(network: str, training: bool = False) -> Callable[[Image.Image], Tensor]:
    """Make timm's transform for the network. For training, it crops, mirrors and recolours at random."""
    return timm.data.create_transform(**_config(network), is_training=training)


def _config(network: str) -> dict[str, Any]:
    config = timm.models.get_pretrained_cfg(network)
    return timm.data.resolve_data_config(pretrained_cfg=config.to_dict() if config else {})


@cache
def _look(root: Path) -> tuple[list[str], dict[str, Part]]:
    try:
        train, test = (ImageFolder(root / part) for part in ("train", "val"))
    except FileNotFoundError as error:
        raise UserError(f"{VARIABLE}: {str(error).rstrip('. ')}: set it to {LAYOUT}") from error
    if differ := sorted(set(train.classes) ^ set(test.classes)):
        raise UserError(f"{VARIABLE}: only one of train and val in {root} has the class '{differ[0]}': make them agree")
    order = torch.randperm(len(train.samples), generator=torch.Generator().manual_seed(0)).tolist()
    held_out = len(order) // VALIDATION
    chosen = {"train": sorted(order[held_out:]), "val": sorted(order[:held_out])}
    parts = {part: _part([train.samples[i] for i in indices]) for part, indices in chosen.items()}
    return train.classes, parts | {"test": _part(test.samples)}


def _part(samples: list[tuple[str, int]]) -> Part:
    return Part([file for file, _ in samples], torch.tensor([label for _, label in samples]))
