"""A one-stage detector without anchors, its loss, its decoding and its score (FCOS, Tian et al., arXiv:1904.01355).

Boxes of a target are float32 [batch, most, 5]: x1, y1, x2, y2 in pixels, and the class. Rows of -1 follow the last box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import batched_nms, generalized_box_iou_loss, sigmoid_focal_loss

STRIDE = 8  # pixels between places that may find an object
LEVELS = (2, 3, 4)  # of the timm backbone, at strides of 8, 16 and 32 pixels
FEATURES = 48  # channels of the head
RADIUS = 1.5  # strides; places so near to an object's centre must find the object
RARE = -4.6  # the logit of .01, the first score of each place (Lin et al., arXiv:1708.02002)
LIKELY, MOST, OVERLAP = 0.05, 30, 0.5  # in decoding: the least score, boxes per image, the largest overlap of two


class Detector(nn.Module):
    """A timm backbone whose last levels are added up from the coarsest, and a small head."""

    def __init__(self, backbone: str, classes: int, pretrained: bool = False) -> None:
        super().__init__()
        self.backbone = timm.create_model(backbone, pretrained, features_only=True, out_indices=LEVELS)
        self.lateral = nn.ModuleList(
            nn.Conv2d(n, FEATURES, 1) for n in cast(FeatureInfo, self.backbone.feature_info).channels()
        )
        self.shared = nn.Sequential(*_block(FEATURES), *_block(FEATURES))
        self.scores, self.sides = nn.Conv2d(FEATURES, classes, 1), nn.Conv2d(FEATURES, 4, 1)
        nn.init.constant_(cast(Tensor, self.scores.bias), RARE)
        nn.init.constant_(cast(Tensor, self.sides.bias), 1.0)  # at first, boxes are a few strides wide

    def forward(self, images: Tensor) -> Tensor:
        """Outputs [batch, classes + 4, height / 8, width / 8] of images float32 [batch, 3, height, width].

        Height and width are multiples of 32. Outputs are the logits of the classes, then the logarithms of the
        distances [strides] to the left, top, right and bottom side of the box.
        """
        levels = [lateral(x) for lateral, x in zip(self.lateral, self.backbone(images), strict=True)]
        x = levels.pop()
        while levels:
            x = levels.pop() + interpolate(x, scale_factor=2.0)
        x = self.shared(x)
        return torch.cat([self.scores(x), self.sides(x)], dim=1)


def _block(features: int) -> Sequence[nn.Module]:
    return nn.Conv2d(features, features, 3, padding=1, bias=False), nn.BatchNorm2d(features), nn.ReLU()


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Focal loss of the classes plus generalised-IoU loss of the boxes, per object, the mean over the images."""
    logits, boxes, centres = _places(outputs)
    owner = assigned(centres, target)
    found = owner >= 0
    objects = target.gather(1, owner.clamp(min=0).unsqueeze(2).expand(-1, -1, 5))
    wanted = (objects[..., 4:] == torch.arange(logits.shape[2], device=logits.device)) & found.unsqueeze(2)
    focal = sigmoid_focal_loss(logits, wanted.to(logits.dtype)).sum((1, 2))
    apart = torch.where(found, generalized_box_iou_loss(boxes, objects[..., :4]), 0).sum(1)
    return ((focal + apart) / found.sum(1).clamp(min=1)).mean()


def assigned(centres: Tensor, target: Tensor) -> Tensor:
    """The object that each place must find, int64 [batch, places]: the smallest with a near centre, or -1 for none."""
    x, y = centres[:, 0, None], centres[:, 1, None]
    x1, y1, x2, y2, kind = target.unsqueeze(1).unbind(3)  # [batch, 1, most] each
    inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
    near = ((x - (x1 + x2) / 2).abs() < RADIUS * STRIDE) & ((y - (y1 + y2) / 2).abs() < RADIUS * STRIDE)
    area = torch.where(inside & near & (kind >= 0), (x2 - x1) * (y2 - y1), torch.inf)
    smallest, owner = area.min(2)
    return owner.masked_fill(smallest.isinf(), -1)


def decode(outputs: Tensor, most: int = MOST) -> list[dict[str, Tensor]]:
    """Decode each image to `boxes` [n, 4] in pixels, `scores` [n] and `labels` [n], without overlapped boxes."""
    logits, boxes, _ = _places(outputs)
    found = []
    for scores, places in zip(logits.sigmoid(), boxes, strict=True):
        place, kind = (scores > LIKELY).nonzero(as_tuple=True)
        score, place_boxes = scores[place, kind], places[place]
        kept = batched_nms(place_boxes, score, kind, OVERLAP)[:most]
        found.append({"boxes": place_boxes[kept], "scores": score[kept], "labels": kind[kept]})
    return found


def _places(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [batch, places, classes], boxes [batch, places, 4] in pixels, and the places' centres [places, 2]."""
    rows, columns = (torch.arange(n, device=outputs.device) for n in outputs.shape[2:])
    centres = STRIDE * (torch.cartesian_prod(rows, columns).flip(1) + 0.5)
    logits, sides = outputs.flatten(2).transpose(1, 2).split([outputs.shape[1] - 4, 4], dim=2)
    sides = STRIDE * sides.clamp(max=5).exp()
    return logits, torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], dim=2), centres


class Precision(MeanAveragePrecision):
    """Mean average precision of a detector's outputs (0 to 1), by default at an overlap of .5 (mAP@.5).

    Args:
        overlaps: the least intersections over union of a found box; the score is the mean over them. None: COCO's, .5
            to .95.
        most: the largest number of boxes per image.
    """

    def __init__(self, overlaps: tuple[float, ...] | None = (0.5,), most: int = MOST) -> None:
        super().__init__(iou_thresholds=list(overlaps) if overlaps else None, backend="faster_coco_eval")
        self.most = most

    def update(self, outputs: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Take in the detector's outputs and padded boxes."""
        there = [boxes[boxes[:, 4] >= 0] for boxes in target]
        truth = [{"boxes": boxes[:, :4], "labels": boxes[:, 4].long()} for boxes in there]
        super().update(decode(outputs, self.most), truth)

    def compute(self) -> Tensor:  # type: ignore[override]
        """The mean over the classes; 0 where there is no object at all."""
        return super().compute()["map"].clamp(min=0)  # torchmetrics says -1 where there is no object
