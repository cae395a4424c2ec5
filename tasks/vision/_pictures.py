"""Pictures in files of their own, too many to be held in memory: they are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image
from torch import Tensor

from breakeven.errors import UserError


class Pictures:
    """In place of a tensor of all of them: the files' pictures in red, green and blue, as `transform` makes them.

    Args:
        files: their paths.
        transform: makes a tensor of a picture, of the same shape for all.
    """

    def __init__(self, files: list[str], transform: Callable[[Image.Image], Tensor]) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Iterable[int]) -> Tensor:
        """Those at these places [n, …].

        Raises:
            UserError: a file is not there, or is no picture.
        """
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            read = pool.map(_read, [self.files[i] for i in chosen])
            return torch.stack([self.transform(picture) for picture in read])  # in order, so that draws are repeatable


def _read(file: str) -> Image.Image:
    try:
        with Image.open(file) as picture:
            return picture.convert("RGB")
    except OSError as error:  # so Pillow's own errors are
        raise UserError(f"{file}: cannot be read as a picture ({error}): put it there anew") from error
