"""A recogniser of our own, trained once on recordings: does it hear in a synthesised syllable what was asked for?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanAbsoluteError
from torchmetrics.classification import MulticlassAccuracy

from breakeven.data import prepared

from .._log_mel import shifted
from .._spectra import BANDS
from . import clips
from .network import IDS, Recogniser

KEY = f"{clips.KEY}-recogniser"
EPOCHS, BATCH, RATE = 20, 64, 0.004


def build() -> dict[str, np.ndarray]:
    """Its weights, trained on the training clips: on one thread, so that they are the same each time."""
    x = prepared(clips.KEY, clips.build).load()
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
            loss = sum(cross_entropy(x, y, label_smoothing=0.1) for x, y in zip(logits, ids.T, strict=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


class LogMelDistance(MeanAbsoluteError):
    """Mean absolute difference of the spectra [dB]."""

    def update(self, spectra: Tensor, target: Tensor) -> None:
        """Spectra [batch, BANDS, FRAMES] and the task's target."""
        super().update(spectra.flatten(), target[:, :BANDS].flatten())


class Recognised(MulticlassAccuracy):
    """How often the recogniser hears the initial (0), final (1) or tone (2) that was asked for."""

    def __init__(self, weights: dict[str, Tensor], heard: int) -> None:
        super().__init__(num_classes=IDS[heard], average="micro")
        self.heard = heard
        self.recogniser = Recogniser()
        self.recogniser.load_state_dict(weights)
        self.recogniser.requires_grad_(False).eval()

    def update(self, spectra: Tensor, target: Tensor) -> None:
        """Spectra [batch, BANDS, FRAMES] and the task's target."""
        logits = self.recogniser(spectra).split(IDS[:3], dim=1)[self.heard]
        super().update(logits, target[:, BANDS, self.heard].long())

    def train(self, mode: bool = True) -> Any:
        """The recogniser stays as it was trained, whatever holds the metric."""
        return super().train(False)
