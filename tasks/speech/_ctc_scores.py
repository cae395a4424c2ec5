"""How well symbols were read: the classes of every output, decoded greedily, against those of the target."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.text import CharErrorRate, WordErrorRate

BLANK = 0


def decoded(outputs: Tensor, symbols: tuple[str, ...]) -> list[str]:
    """Texts of log-probabilities: the likeliest class of each output, repeats merged, blanks dropped."""
    return [_text(row.unique_consecutive(), symbols) for row in outputs.argmax(2).cpu()]


def wanted(target: Tensor, symbols: tuple[str, ...]) -> list[str]:
    """The same of a padded target."""
    return [_text(row, symbols) for row in target.cpu()]


def _text(classes: Tensor, symbols: tuple[str, ...]) -> str:
    return "".join(symbols[i - 1] for i in classes[classes > BLANK].tolist())


class WordErrors(WordErrorRate):
    """Words inserted, deleted or replaced, per word of the target; class i stands for `symbols[i - 1]`."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Log-probabilities [batch, time, classes] and classes [batch, longest]."""
        super().update(decoded(outputs, self.symbols), wanted(target, self.symbols))


class CharacterErrors(CharErrorRate):
    """Characters inserted, deleted or replaced, per character of the target; class i stands for `symbols[i - 1]`."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Log-probabilities [batch, time, classes] and classes [batch, longest]."""
        super().update(decoded(outputs, self.symbols), wanted(target, self.symbols))


class SampleErrors(MeanMetric):
    """Share of the samples with any symbol wrong."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__()
        self.symbols = symbols

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """Log-probabilities [batch, time, classes] and classes [batch, longest]."""
        pairs = zip(decoded(outputs, self.symbols), wanted(target, self.symbols), strict=True)
        super().update(torch.tensor([one != other for one, other in pairs], dtype=torch.float32))
