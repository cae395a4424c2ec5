"""COCO: where in a photograph are which of 80 everyday things, in your own folder in COCO's format?

Data: the environment variable BREAKEVEN_COCO names a folder with the layout of COCO 2017 (Lin et al., arXiv:1405.0312;
123,287 photographs; annotations CC BY 4.0, photographs under Flickr's terms): `annotations/instances_train2017.json`,
`annotations/instances_val2017.json`, `train2017/` and `val2017/`. Any data set in this format works; its file lists the
classes. Boxes of crowds (`iscrowd`) and boxes wholly outside their image are left out. Images without a box stay. The
data's hash covers names and boxes, but not the pixels of the images.
Split: `val2017` is for testing. 5 % of `train2017` are for validation, the same for every seed; the rest is for
training. Training images change in brightness and contrast, and are neither cropped nor mirrored.
Model: a one-stage detector without anchors (FCOS, Tian et al., arXiv:1904.01355) on any timm backbone, trained from
scratch or from timm's weights on the Hugging Face hub; the default is ResNet-18. An image's longer side is resized to
`side`, and the rest of the square is grey.
Metric: mean average precision at an overlap of .5 (mAP@.5), with at most 100 boxes per image; also reported: the mean
over overlaps of .5 to .95. Baseline: not measured here.
Published: torchvision's FCOS with a ResNet-50 reaches .392 (the mean over overlaps), at 800 pixels and with weights
pretrained on ImageNet.
Known limits: not trained here, since the project's machines have no such folder. Recipes and targets are untested. The
detector is small and finds boxes at one scale of 8 pixels, and small things vanish at this image size. COCO's own score
ignores boxes within crowds; this score does not. Images are read when they are needed, by as many threads as the
profile has, so training may wait for them. The interval takes long, since the score is computed 100 times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.task import Part, Quality, Recipe, TensorData

from .._detection import Detection

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from breakeven.data.loaders import Batch

MOST = 100  # boxes per image, as in COCO's own score
EPOCHS = {False: 36, True: 12}  # by `pretrained`: from scratch, and with weights pretrained on ImageNet
TARGETS = {False: 0.20, True: 0.25}  # by `pretrained`


@dataclass(frozen=True)
class COCO(Detection):
    """Inputs float32 [batch, 3, side, side], standardised; outputs [batch, classes + 4, side / 8, side / 8]."""

    backbone: str = Field("resnet18", description="the name of a timm model with features at five scales")
    side: int = Field(320, ge=32, multiple_of=32, description="width and height of the model's inputs [pixels]")
    pretrained: bool = Field(False, description="begin with timm's weights, downloaded from the Hugging Face hub")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "COCO"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "recorded"
    licence: ClassVar[str] = "CC BY 4.0 (annotations), Flickr's terms (photographs)"

    @property
    def quality(self) -> Quality:
        """The mAP@.5. The target is untested."""
        return Quality("map_50", "ratio", higher_is_better=True, target=TARGETS[self.pretrained])

    @property
    def recipe(self) -> Recipe:
        """The recipe by `pretrained`, untested."""
        return Recipe(epochs=EPOCHS[self.pretrained], batch_size=32, learning_rate=0.001, weight_decay=0.05)

    @property
    def classes(self) -> int:
        """The number of categories in the annotations."""
        return int(self._prepared().load()["classes"])

    def model(self) -> nn.Module:
        """See `Task`.

        Raises:
            UserError: timm has no model of that name, or its weights cannot be obtained.
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

    def data(self) -> TensorData:
        """See `TensorTask`."""
        from .annotations import build, fingerprint
        from .pictures import augment, to_inputs

        return TensorData(build, variant=fingerprint(), transform=to_inputs, augment=augment)

    def samples(self, arrays: dict[str, Tensor], part: Part) -> Batch:
        """See `TensorTask`. The pictures stay in their files, and are read when they are needed."""
        from .pictures import samples

        return samples(arrays, part, self.side)
