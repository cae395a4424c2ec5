"""A small encoder-decoder transformer (Vaswani et al., 2017) of plain layers that normalises first."""

from __future__ import annotations

from torch import Tensor, nn

from .._attention import Attention, FeedForward, closeness, positions
from .corpus import PADDING, VOCABULARY

FEATURES, HEADS = 96, 4
ENCODERS, DECODERS = 2, 2  # numbers of layers
FAR = -1e4  # added to the scores of padding


class Translator(nn.Module):
    """Gives logits of the next subword after each place of a prefix."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, features, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight[PADDING + 1 :], std=features**-0.5)
        self.encoders = nn.ModuleList(Encoder(features) for _ in range(ENCODERS))
        self.decoders = nn.ModuleList(Decoder(features) for _ in range(DECODERS))
        self.encoded, self.decoded = nn.LayerNorm(features), nn.LayerNorm(features)
        self.output = nn.Linear(features, VOCABULARY, bias=False)
        self.output.weight.data.copy_(self.embedding.weight)  # a good start; the two matrices are trained apart

    def forward(self, source_ids: Tensor, prefix_ids: Tensor) -> Tensor:
        """Logits [batch, prefix length, vocabulary] of ids [batch, source length] and [batch, prefix length]."""
        padding = (source_ids == PADDING)[:, None, None, :]
        source, prefix = self._embedded(source_ids), self._embedded(prefix_ids)
        bias = closeness(source, source, HEADS).masked_fill(padding, FAR)
        for layer in self.encoders:
            source = layer(source, bias)
        source = self.encoded(source)
        bias = closeness(prefix, source, HEADS).masked_fill(padding, FAR)
        for layer in self.decoders:
            prefix = layer(prefix, source, bias)
        return self.output(self.decoded(prefix))

    def _embedded(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) * self.embedding.embedding_dim**0.5
        return x + positions(x)


class Encoder(nn.Module):
    """An encoder layer: each place of the source attends to all places, most to near ones."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.attention, self.feed_forward = Attention(features, HEADS), FeedForward(features)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """New states, with the shape [batch, length, features] of the given ones; `bias` is added to the scores."""
        x = self.norm(states)
        return self.feed_forward(states + self.attention(x, x, bias))


class Decoder(nn.Module):
    """A decoder layer: each place of the prefix attends to earlier places, then to the source.

    The languages have nearly the same word order, so near places of the source get a bias. Without it, a model that is
    trained as briefly as here translates less well.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(features), nn.LayerNorm(features)
        self.own, self.cross = Attention(features, HEADS), Attention(features, HEADS)
        self.feed_forward = FeedForward(features)

    def forward(self, states: Tensor, source: Tensor, bias: Tensor) -> Tensor:
        """New states [batch, prefix length, features]; `bias` is added to the scores of attention to the source."""
        x = self.before(states)
        states = states + self.own(x, x, None)
        return self.feed_forward(states + self.cross(self.between(states), source, bias))


def translator(width: float = 1.0) -> Translator:
    """Make a translator with about `width` times as many features."""
    return Translator(2 * HEADS * max(1, round(width * FEATURES / (2 * HEADS))))
