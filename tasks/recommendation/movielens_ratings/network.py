"""The network: matrix factorisation with biases, and a multilayer perceptron over the same factors."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .._movielens import ITEMS, USERS

MEAN = 3.53  # stars, the mean training rating: the network's first output
DROPOUT = 0.5  # of the embeddings, which quickly learn a user's few ratings by heart


class RatingNetwork(nn.Module):
    """Neural matrix factorisation (He et al., arXiv:1708.05031) that predicts ratings instead of choices."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, width), nn.Embedding(ITEMS, width)
        self.user_bias, self.item_bias = nn.Embedding(USERS, 1), nn.Embedding(ITEMS, 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        for embedding in (self.user, self.item, self.user_bias, self.item_bias):
            nn.init.normal_(embedding.weight, std=0.1)
        nn.init.constant_(cast(nn.Linear, self.layers[-1]).bias, MEAN)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Predicted stars [batch] of users and items, both [batch]."""
        user, item = self.dropout(self.user(users)), self.dropout(self.item(items))
        stars = self.layers(torch.cat([user, item, user * item], 1)) + self.user_bias(users) + self.item_bias(items)
        return stars.squeeze(1)
