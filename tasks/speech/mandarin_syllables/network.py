"""A convolutional network that reads phones off a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .clips import BANDS, PHONES

IMPOSSIBLE = -30.0  # log-probability: finite, so that every runtime can hold it
STRIDE = 2  # frames of an output

Pair = tuple[int, int]


class Reader(nn.Module):
    """Log-probabilities [batch, frames / STRIDE, 1 + phones] of features [batch, 1, bands, frames] and lengths [batch].

    What lies beyond a clip's length is set to zero before every layer, and read as blank: padding changes nothing.
    All layers are of two dimensions: XNNPACK cannot flatten bands where both the batch and the frames vary.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spectral = nn.ModuleList([_layer(1, width, (3, 3), (2, 1), (1, 1))])
        self.spectral.append(_layer(width, 2 * width, (3, 3), (2, STRIDE), (1, 1)))
        features = 8 * width
        self.mix = _layer(2 * width, features, (BANDS // 4, 1))
        self.context = nn.ModuleList(_layer(features, features, (1, 5), (1, 1), (0, 2 * d), (1, d)) for d in (1, 2, 4))
        self.drop = nn.Dropout(0.2)
        self.phones = nn.Conv2d(features, 1 + len(PHONES), 1)
        nn.init.constant_(self.phones.bias[:1], 3.0)  # most outputs are blank
        blank = torch.full([1 + len(PHONES)], IMPOSSIBLE).index_fill(0, torch.tensor([0]), 0.0)
        self.register_buffer("blank", blank, persistent=False)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        there = torch.arange(features.shape[3], device=lengths.device) < lengths.unsqueeze(1)
        frames, outputs = there.to(features.dtype)[:, None, None], there[:, ::STRIDE]
        x = self.spectral[0](features * frames)
        x = self.spectral[1](x * frames)
        frames = outputs.to(x.dtype)[:, None, None]
        x = self.mix(x)
        for layer in self.context:
            x = x + layer(x * frames)
        read = self.phones(self.drop(x)).squeeze(2).transpose(1, 2).log_softmax(2)
        return torch.where(outputs.unsqueeze(2), read, self.blank)


def _layer(
    given: int, out: int, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> nn.Module:
    convolution = nn.Conv2d(given, out, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())
