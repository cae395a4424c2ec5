"""Classification of square images: the task class that image tasks share. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from breakeven.task import Classification

if TYPE_CHECKING:
    from torch import nn


class ImageClassification(Classification):
    """A classification of square images, float32 [batch, channels, size, size], by a network of `image_networks`.

    A subclass declares the parameter `network` and sets `channels`, `size` and `classes`.
    """

    network: str  # a name that `image_networks.image_classifier` takes: a parameter with a default of the task's own
    channels: ClassVar[int]
    size: ClassVar[int]  # width and height [pixels]

    def model(self) -> nn.Module:
        """Make a new network: see `Task.model`.

        Raises:
            UserError: there is no network of that name.
        """
        return self._network()

    def student(self, width: float) -> nn.Module:
        """Make a narrower network: see `Task.student`, and `image_networks.narrower` for the layers that change.

        Raises:
            CellFailure: `unsupported`, where no narrower form of the network is known.
        """
        from breakeven.components.image_networks import narrower

        return self._network(narrower(self.model(), width))

    def _network(self, options: Mapping[str, Any] | None = None) -> nn.Module:
        from breakeven.components.image_networks import image_classifier

        return image_classifier(self.network, self.channels, self.classes, self.size, options)
