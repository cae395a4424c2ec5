"""Trains a recogniser on recordings once, and scores synthesised syllables with it."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanAbsoluteError
from torchmetrics.classification import MulticlassAccuracy

from .._log_mel import shifted
from .._spectra import BANDS
from . import MandarinSynthesis
from .network import IDS, Recogniser

EPOCHS, BATCH, RATE = 20, 64, 0.004  # of the training; RATE is the peak learning rate


def build() -> dict[str, np.ndarray]:
    """Train the recogniser and return its weights. One thread makes them the same each time."""
    x = MandarinSynthesis()._prepared().load()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _trained(x["train_target"])
    finally:
        torch.set_num_threads(threads)
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def _trained(target: Tensor) -> nn.Module:
    model = Recogniser().train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    steps = len(target) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(target))[: steps * BATCH].split(BATCH):
            spectra, ids = shifted(target[rows, :BANDS]), target[rows, BANDS, :3].long()
            logits = model(spectra).split(IDS[:3], dim=1)
            losses = (cross_entropy(x, y, label_smoothing=0.1) for x, y in zip(logits, ids.T, strict=True))
            loss = sum(losses, torch.zeros(()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


class LogMelDistance(MeanAbsoluteError):
    """Mean absolute difference of the spectra [dB]."""

    def update(self, spectra: Tensor, target: Tensor) -> None:
        """Take in spectra [batch, BANDS, FRAMES] and the task's target."""
        super().update(spectra.flatten(), target[:, :BANDS].flatten())


class Recognised(MulticlassAccuracy):
    """The share of samples in which the recogniser hears the right initial (0), final (1) or tone (2)."""

    def __init__(self, weights: dict[str, Tensor], heard: int) -> None:
        super().__init__(num_classes=IDS[heard], average="micro")
        self.heard = heard
        self.recogniser = Recogniser()
        self.recogniser.load_state_dict(weights)
        self.recogniser.requires_grad_(False).eval()

    def update(self, spectra: Tensor, target: Tensor) -> None:
        """Take in spectra [batch, BANDS, FRAMES] and the task's target."""
        logits = self.recogniser(spectra).split(IDS[:3], dim=1)[self.heard]
        super().update(logits, target[:, BANDS, self.heard].long())

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: a module that holds the metric must not change the recogniser."""
        return super().train(False)
