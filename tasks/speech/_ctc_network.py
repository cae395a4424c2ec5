"""Networks that read symbols off a spectrogram. Padding does not change their outputs."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

IMPOSSIBLE = -30.0  # log-probability; finite, so that every runtime can represent it
STRIDE = 2  # frames per output

Pair = tuple[int, int]


class Reader(nn.Module):
    """Gives log-probabilities [batch, frames / STRIDE, classes] of features [batch, 1, bands, frames].

    Lengths [batch] count frames. Padding changes nothing: features after a sample's end are set to zero before each
    layer, and outputs there are blank. Convolutions run over the bands, then `depth` convolutions over time. Each of
    these looks twice as far to both sides as the one before. `recurrent` layers of gated recurrent units follow. All
    other layers have two dimensions, since XNNPACK cannot flatten bands where both the batch and the frames vary.
    """

    blank: Tensor  # log-probabilities [classes] of outputs in the padding

    def __init__(self, bands: int, classes: int, width: int, depth: int, recurrent: int) -> None:
        super().__init__()
        features = 8 * width
        self.spectral = nn.ModuleList([_layer(1, width, (3, 3), (2, 1), (1, 1))])
        self.spectral.append(_layer(width, 2 * width, (3, 3), (2, STRIDE), (1, 1)))
        self.mix = _layer(2 * width, features, (bands // 4, 1))
        far = (2**i for i in range(depth))
        self.context = nn.ModuleList(_layer(features, features, (1, 5), (1, 1), (0, 2 * d), (1, d)) for d in far)
        self.recurrent = nn.ModuleList(Recurrent(features) for _ in range(recurrent))
        self.drop = nn.Dropout(0.2)
        self.symbols = nn.Conv2d(features, classes, 1)
        nn.init.constant_(cast(Tensor, self.symbols.bias)[:1], 3.0)  # most outputs are blank
        blank = torch.full([classes], IMPOSSIBLE).index_fill(0, torch.tensor([0]), 0.0)
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
        for layer in self.recurrent:
            x = x + layer(x, features.shape[3])
        read = self.symbols(self.drop(x)).squeeze(2).transpose(1, 2).log_softmax(2)
        return torch.where(outputs.unsqueeze(2), read, self.blank)


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al., 2014) that run forwards over [batch, features, 1, outputs].

    Padding comes last, where it changes no state of a sample. The layer adds padding up to the number of input frames,
    since torch 2.14 cannot export a layer to ONNX that runs over a fraction of the input's length.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.layer = nn.GRU(features, features, batch_first=True)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        outputs = x.shape[3]
        states, _ = self.layer(pad(self.drop(x.squeeze(2).transpose(1, 2)), (0, 0, 0, frames - outputs)))
        return states[:, :outputs].transpose(1, 2).unsqueeze(2)


def _layer(
    given: int, out: int, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> nn.Module:
    convolution = nn.Conv2d(given, out, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())
