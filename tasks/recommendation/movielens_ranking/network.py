"""The network: neural matrix factorisation of users and films."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._movielens import ITEMS, USERS

DROPOUT = 0.1  # of the embeddings, which quickly learn by heart which films a user watched


class RankingNetwork(nn.Module):
    """The product of two embeddings, a multilayer perceptron over both (He et al., arXiv:1708.05031), and a bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, width), nn.Embedding(ITEMS, width)
        self.item_bias = nn.Embedding(ITEMS, 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.hidden = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU())
        self.last = nn.Linear(2 * width, 1)
        for embedding in (self.user, self.item, self.item_bias):
            nn.init.normal_(embedding.weight, std=0.1)
        nn.init.ones_(self.last.weight)  # training begins at plain matrix factorisation

    def forward(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Scores [batch, n] of users [batch] and candidates [batch, n]."""
        item = self.dropout(self.item(candidates))
        user = self.dropout(self.user(users)).unsqueeze(1).expand_as(item)
        both = torch.cat([user * item, self.hidden(torch.cat([user, item], 2))], 2)
        return (self.last(both) + self.item_bias(candidates)).squeeze(2)
