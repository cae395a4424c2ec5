"""Images in separate files, too many for the memory. They are read when they are indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image
from torch import Tensor

from breakeven.errors import UserError


class Pictures:
    """Images that stand in place of one tensor of all images. They are read in red, green and blue.

    Args:
        files: the paths.
        transform: makes a tensor of an image, with the same shape for all images.
    """

    def __init__(self, files: list[str], transform: Callable[[Image.Image], Tensor]) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Iterable[int] | slice) -> Tensor:
        """Read the images at these places [n, …].

        Raises:
            UserError: a file is missing, or is not an image.
        """
        files = self.files[chosen] if isinstance(chosen, slice) else [self.files[i] for i in chosen]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            read = pool.map(_read, files)
            return torch.stack([self.transform(image) for image in read])  # in order, so that draws are repeatable


def _read(file: str) -> Image.Image:
    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except OSError as error:  # the base of Pillow's own errors
        raise UserError(f"{file}: cannot be read as a picture ({error}): put it there anew") from error
