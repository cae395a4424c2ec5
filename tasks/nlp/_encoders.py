"""Three classifiers of token sequences. Padding does not change their outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._attention import Attention, FeedForward, positions
from ._subwords import VOCABULARY

EMBEDDED = 96  # features per token
HIDDEN = 96  # features per state of a recurrent layer
LAYERS, HEADS = 2, 4  # of the transformer


class Classifier(nn.Module):
    """Embeddings, an encoder, the mean and the maximum of both over the tokens, and a linear layer.

    Training hides a fifth of the tokens, so that the class never depends on only a few of them.
    """

    def __init__(self, encoder: nn.Module, embedded: int, encoded: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embedded, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=embedded**-0.5)
        self.encoder = encoder
        self.hide = nn.Dropout1d(0.2)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(2 * (embedded + encoded), classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [batch, classes] of ids [batch, length]. Ids are 0 after a text's end; each text has a token."""
        there = (ids != 0).unsqueeze(-1)
        embedded = self.hide(self.embedding(ids))
        states = torch.cat([embedded, self.encoder(embedded, there)], dim=2)
        weights = there.to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        largest = states.masked_fill(~there, -1e4).amax(1)
        return self.classifier(self.dropout(torch.cat([mean, largest], dim=1)))


class Recurrent(nn.Module):
    """A recurrent layer that runs forwards: padding comes last and changes no state of a token."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, embedded: Tensor, there: Tensor) -> Tensor:
        """States [batch, length, hidden] of embedded tokens [batch, length, features]."""
        return self.layer(embedded)[0]


class Transformer(nn.Module):
    """Self-attention over the tokens, not the padding, with sinusoidal positions (Vaswani et al., 2017)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(features) for _ in range(LAYERS))

    def forward(self, embedded: Tensor, there: Tensor) -> Tensor:
        """States [batch, length, features] of embedded tokens [batch, length, features]."""
        states = embedded + positions(embedded) * embedded.shape[2] ** -0.5  # as large as the embeddings
        mask = there[:, None, None, :, 0]  # [batch, heads, queries, keys]
        for layer in self.layers:
            states = layer(states, mask)
        return states


class Layer(nn.Module):
    """A transformer layer that normalises first."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.attention, self.feed_forward = Attention(features, HEADS), FeedForward(features)

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        """New states, with the shape [batch, length, features] of the given ones; `there` is the mask of attention."""
        x = self.norm(states)
        return self.feed_forward(states + self.attention(x, x, there))


def gru(classes: int, width: float = 1.0) -> Classifier:
    """Make a classifier with one layer of gated recurrent units (Cho et al., 2014)."""
    return _recurrent(nn.GRU, classes, width)


def lstm(classes: int, width: float = 1.0) -> Classifier:
    """Make a classifier with one layer of long short-term memory (Hochreiter and Schmidhuber, 1997)."""
    return _recurrent(nn.LSTM, classes, width)


def transformer(classes: int, width: float = 1.0) -> Classifier:
    """Make a classifier with two transformer layers."""
    features = HEADS * max(2, 2 * round(EMBEDDED * width / HEADS / 2))
    return Classifier(Transformer(features), features, features, classes)


def _recurrent(kind: type[nn.Module], classes: int, width: float) -> Classifier:
    embedded, hidden = (max(1, round(width * size)) for size in (EMBEDDED, HIDDEN))
    return Classifier(Recurrent(kind(embedded, hidden, batch_first=True)), embedded, hidden, classes)
