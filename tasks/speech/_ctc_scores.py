"""Scores symbols that were read: decodes each output greedily and compares the symbols with the target's."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.text import CharErrorRate, WordErrorRate

BLANK = 0


def decoded(outputs: Tensor, symbols: tuple[str, ...]) -> list[str]:
    """Decode log-probabilities to texts: the most likely class of each output, repeats merged, blanks dropped."""
    return [_text(row.unique_consecutive(), symbols) for row in outputs.argmax(2).cpu()]


def wanted(target: Tensor, symbols: tuple[str, ...]) -> list[str]:
    """Turn padded targets into texts."""
    return [_text(row, symbols) for row in target.cpu()]


def _text(classes: Tensor, symbols: tuple[str, ...]) -> str:
    return "".join(symbols[i - 1] for i in classes[classes > BLANK].tolist())


class WordErrors(WordErrorRate):
    """Words inserted, deleted or replaced, per word of the target. Class i stands for `symbols[i - 1]`."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Take in log-probabilities [batch, time, classes] and target classes [batch, longest]."""
        super().update(decoded(outputs, self.symbols), wanted(target, self.symbols))


class CharacterErrors(CharErrorRate):
    """Characters inserted, deleted or replaced, per character of the target. Class i stands for `symbols[i - 1]`."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Take in log-probabilities [batch, time, classes] and target classes [batch, longest]."""
        super().update(decoded(outputs, self.symbols), wanted(target, self.symbols))


class SampleErrors(MeanMetric):
    """The share of samples with at least one wrong symbol (0 to 1)."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Take in log-probabilities [batch, time, classes] and target classes [batch, longest]."""
        pairs = zip(decoded(outputs, self.symbols), wanted(target, self.symbols), strict=True)
        super().update(torch.tensor([one != other for one, other in pairs], dtype=torch.float32))
