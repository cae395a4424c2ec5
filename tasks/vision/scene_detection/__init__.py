"""Scene detection: where in a small image are garments, and of which of ten kinds?

Data: 5,400 scenes of 96×96 pixels composed of recorded parts: one to three garments of Fashion-MNIST (Xiao, Rasul and
Vollgraf, 2017; MIT licence), 24 to 56 pixels wide and tinted, on photographs that come with scikit-image 0.26.0 (van
der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014; BSD-3).
Split: 5,000 train, 200 validation, 200 test, the same for every seed; they share neither a garment nor a photograph.
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any timm backbone, trained from
scratch. The default is timm's smallest ResNet-D: mAP@.5 .43 in 59 s.
Metric: mean average precision at an overlap of .5 (mAP@.5). Baseline: boxes of the mean size at the sixteen places of a
4×4 grid, with each class as likely as at this place in training: .002.
Known limits: garments are pasted, not photographed in place. Boxes cover only their visible pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from breakeven.data import Source
from breakeven.task import Quality, Recipe, TensorData

from .._detection import Detection
from .._garments import FASHION_MNIST
from .._scenes import SCIKIT_IMAGE


@dataclass(frozen=True)
class SceneDetection(Detection):
    """Inputs float32 [batch, 3, 96, 96], standardised; outputs [batch, 14, 12, 12], see `_detector`."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Scene detection"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "composed"
    licence: ClassVar[str] = "MIT (garments), BSD-3 (photographs)"
    archives: ClassVar[tuple[Source, ...]] = (FASHION_MNIST, SCIKIT_IMAGE)
    classes: ClassVar[int] = 10
    quality: ClassVar[Quality] = Quality("map_50", "ratio", higher_is_better=True, target=0.40)
    recipe: ClassVar[Recipe] = Recipe(epochs=4, batch_size=32, learning_rate=0.005, weight_decay=0.05)

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .pictures import augment, build, to_inputs

        return TensorData(build, ("images",), "boxes", transform=to_inputs, augment=augment)
