"""Reads AG News' articles and turns them into tokens. No torch at import."""

from __future__ import annotations

import numpy as np

from .._hub import HubTexts
from .._subwords import encode

TEXTS = HubTexts(
    "fancyzhx/ag_news",
    revision="eb185aade064a813bc0b7f42de02595523103ca4",
    variable="BREAKEVEN_AG_NEWS",
    train="data/train-00000-of-00001.parquet",
    test="data/test-00000-of-00001.parquet",
    column="text",
    classes=4,
)
LENGTH = 128  # tokens


def build() -> dict[str, np.ndarray]:
    """Make ids and targets of each part, and the tokeniser's JSON as bytes."""
    return encode(TEXTS.parts(), LENGTH)
