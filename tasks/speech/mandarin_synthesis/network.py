"""The networks: a decoder that makes spectra, and a recogniser that reads them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from .._spectra import BANDS, FRAMES
from .._syllables import FINALS, INITIALS, TONES
from .clips import SPEAKERS

IDS = (len(INITIALS), len(FINALS), len(TONES), len(SPEAKERS))
STEPS = 8  # frames in the coarsest layer
MIDDLE, RANGE = -40.0, 20.0  # dB; roughly the mean and the spread of a log-mel spectrum


class Decoder(nn.Module):
    """Makes log-mel spectra [dB], float32 [batch, BANDS, FRAMES], of ids int64 [batch, 4]."""

    first: Tensor  # row of the embeddings that each kind of ids begins at

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sum(IDS), 64)  # one table for all four kinds of ids
        self.register_buffer("first", torch.tensor([sum(IDS[:i]) for i in range(len(IDS))]))
        self.coarse = nn.Linear(len(IDS) * 64, 2 * width * STEPS)
        channels = [2 * width, 2 * width, width, width]
        stages = [_stage(*pair) for pair in itertools.pairwise(channels)]
        self.layers = nn.Sequential(*stages, nn.Conv1d(width, BANDS, 5, padding=2))

    def forward(self, ids: Tensor) -> Tensor:
        known = self.embedding(ids + self.first).flatten(1)
        coarse = self.coarse(known).unflatten(1, (-1, STEPS))
        return self.layers(coarse) * RANGE + MIDDLE


def _stage(given: int, out: int) -> nn.Module:
    """A stage that doubles the number of frames."""
    return nn.Sequential(
        nn.ConvTranspose1d(given, out, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm1d(out),
        nn.ReLU(),
        nn.Conv1d(out, out, 5, padding=2, bias=False),
        nn.BatchNorm1d(out),
        nn.ReLU(),
    )


class Recogniser(nn.Module):
    """Reads log-mel spectra [dB], float32 [batch, BANDS, FRAMES]: logits [batch, 65] of initials, finals and tones."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = [1, 16, 32, 64, 128]
        strides: list[int | tuple[int, int]] = [(2, 1), 2, 2, 2]
        for given, out, stride in zip(channels[:-1], channels[1:], strides, strict=True):
            layers += [nn.Conv2d(given, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        last = channels[-1] * (BANDS // 16) * (FRAMES // 8)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(last, sum(IDS[:3])))

    def forward(self, spectra: Tensor) -> Tensor:
        return self.layers((spectra.unsqueeze(1) - MIDDLE) / RANGE)
