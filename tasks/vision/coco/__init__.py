"""COCO: where in a photograph are which of 80 everyday things, in a folder of your own in COCO's format?

Data: the folder named by the environment variable BREAKEVEN_COCO, laid out like COCO 2017 (Lin et al.,
arXiv:1405.0312; 123,287 photographs; annotations CC BY 4.0, photographs under Flickr's terms), with
`annotations/instances_train2017.json`, `annotations/instances_val2017.json`, `train2017/` and `val2017/`. Any data set
in that format does; its file says which classes there are. Crowds, of which a box shows many (`iscrowd`), are left
out, and so are boxes of which nothing lies in the picture; pictures without a box stay. The hash covers names and
boxes, not what the pictures show.
Split: `val2017` for testing; of `train2017`, 5 % are validation, the same for every seed, and the rest trains. Training
pictures change in brightness and contrast, and are neither cropped nor mirrored.
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any of timm's backbones, from
scratch or with timm's weights from the Hugging Face hub, default ResNet-18. A picture's longer side is resized to
`side`, and the rest of the square is grey.
Metric: mean average precision where boxes overlap by half (mAP@.5), of 100 boxes a picture at most; beside it the mean
over overlaps of .5 to .95. Baseline: not measured here.
Published: torchvision's FCOS with a ResNet-50 reaches .392, the mean over overlaps, at 800 pixels and with weights made
on ImageNet.
Known limits: not trained here, for the project's machines hold no such folder: recipes and targets are untested. The
detector is small, its boxes all at one scale of 8 pixels, and small things vanish at this size. COCO's own score
forgives boxes within crowds, this one does not. Pictures are read as they are needed, by as many threads as the profile
has: training may wait for them. The interval takes long: the score is made 100 times.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Quality, Recipe

from .._detection import Detection

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric

    from breakeven.data import Prepared
    from breakeven.data.loaders import Batch

MOST = 100  # boxes in a picture, as in COCO's own score
EPOCHS = {False: 36, True: 12}  # from scratch, and with weights that were made on ImageNet
TARGETS = {False: 0.20, True: 0.25}


@dataclass(frozen=True)
class COCO(Detection):
    """Inputs float32 [batch, 3, side, side], standardised; outputs [batch, classes + 4, side / 8, side / 8]."""

    backbone: str = Field("resnet18", description="any of timm's with features at five scales, by its name")
    side: int = Field(320, ge=32, multiple_of=32, description="width and height of what a model gets to see [pixels]")
    pretrained: bool = Field(False, description="begin with timm's weights, downloaded from the Hugging Face hub")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "COCO"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0 (annotations), Flickr's terms (photographs)"

    @property
    def quality(self) -> Quality:
        """Untested."""
        return Quality("map_50", "ratio", higher_is_better=True, target=TARGETS[self.pretrained])

    @property
    def recipe(self) -> Recipe:
        """Untested."""
        return Recipe(epochs=EPOCHS[self.pretrained], batch_size=32, learning_rate=0.001, weight_decay=0.05)

    @property
    def classes(self) -> int:  # type: ignore[override]
        """As many as the annotations list categories."""
        return int(self._prepared().load()["classes"])

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name, or its weights cannot be had.
        """
        from breakeven.components.image_networks import require_timm

        from .._detector import Detector
        from .._weights import timms_weights

        require_timm(self.backbone)
        with timms_weights(self.backbone, self.pretrained):
            return Detector(self.backbone, self.classes, self.pretrained)

    def metric(self) -> Metric:
        """See `Task`."""
        from .._detector import Precision

        return Precision(most=MOST)

    def other_metrics(self) -> dict[str, Metric]:
        """See `Task`."""
        from .._detector import Precision

        return {"map_50_95": Precision(overlaps=None, most=MOST)}

    def _samples(self, part: str) -> Batch:
        from .pictures import samples

        return samples(self._prepared().load(), part, self.side)

    def _pictures(self) -> ModuleType:
        from . import pictures

        return pictures

    def _prepared(self) -> Prepared:
        from breakeven.data import prepared

        from .annotations import build, fingerprint

        return prepared(f"coco-v{self.version}-{fingerprint()}", build)
