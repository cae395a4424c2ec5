"""A one-stage detector without anchors, its loss, its decoding and its score (FCOS, Tian et al., arXiv:1904.01355).

Boxes of a target are float32 [batch, most, 5]: x1, y1, x2, y2 in pixels and the class; rows of -1 after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import batched_nms, generalized_box_iou_loss, sigmoid_focal_loss

STRIDE = 8  # pixels between the places that may find an object
LEVELS = (2, 3, 4)  # of a timm backbone, at strides 8, 16 and 32
FEATURES = 48
RADIUS = 1.5  # strides around an object's centre, within which a place is to find it
RARE = -4.6  # logit of .01: at first, hardly any place shows an object (Lin et al., arXiv:1708.02002)
LIKELY, MOST, OVERLAP = 0.05, 30, 0.5  # of what is decoded: least score, boxes in a picture, overlap of two


class Detector(nn.Module):
    """A timm backbone, with timm's weights or new ones, its last levels added up from the coarsest; a small head."""

    def __init__(self, backbone: str, classes: int, pretrained: bool = False) -> None:
        super().__init__()
        self.backbone = timm.create_model(backbone, pretrained, features_only=True, out_indices=LEVELS)
        self.lateral = nn.ModuleList(nn.Conv2d(n, FEATURES, 1) for n in self.backbone.feature_info.channels())
        self.shared = nn.Sequential(*_block(FEATURES), *_block(FEATURES))
        self.scores, self.sides = nn.Conv2d(FEATURES, classes, 1), nn.Conv2d(FEATURES, 4, 1)
        nn.init.constant_(cast(Tensor, self.scores.bias), RARE)
        nn.init.constant_(cast(Tensor, self.sides.bias), 1.0)  # a box of some strides

    def forward(self, pictures: Tensor) -> Tensor:
        """[batch, classes + 4, height / 8, width / 8] of float32 [batch, 3, height, width], both multiples of 32.

        Logits of the classes; the logarithms of the distances, in strides, to the left, top, right and bottom.
        """
        levels = [lateral(x) for lateral, x in zip(self.lateral, self.backbone(pictures), strict=True)]
        x = levels.pop()
        while levels:
            x = levels.pop() + interpolate(x, scale_factor=2.0)
        x = self.shared(x)
        return torch.cat([self.scores(x), self.sides(x)], dim=1)


def _block(features: int) -> Sequence[nn.Module]:
    return nn.Conv2d(features, features, 3, padding=1, bias=False), nn.BatchNorm2d(features), nn.ReLU()


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Focal loss of the classes and generalised-IoU loss of the boxes, per object; the mean over the pictures."""
    logits, boxes, centres = _places(outputs)
    owner = assigned(centres, target)
    found = owner >= 0
    objects = target.gather(1, owner.clamp(min=0).unsqueeze(2).expand(-1, -1, 5))
    wanted = (objects[..., 4:] == torch.arange(logits.shape[2], device=logits.device)) & found.unsqueeze(2)
    focal = sigmoid_focal_loss(logits, wanted.to(logits.dtype)).sum((1, 2))
    apart = torch.where(found, generalized_box_iou_loss(boxes, objects[..., :4]), 0).sum(1)
    return ((focal + apart) / found.sum(1).clamp(min=1)).mean()


def assigned(centres: Tensor, target: Tensor) -> Tensor:
    """Which object each place is to find, int64 [batch, places]: the smallest whose centre is near; -1 for none."""
    x, y = centres[:, 0, None], centres[:, 1, None]
    x1, y1, x2, y2, kind = target.unsqueeze(1).unbind(3)  # [batch, 1, most] each
    inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
    near = ((x - (x1 + x2) / 2).abs() < RADIUS * STRIDE) & ((y - (y1 + y2) / 2).abs() < RADIUS * STRIDE)
    area = torch.where(inside & near & (kind >= 0), (x2 - x1) * (y2 - y1), torch.inf)
    smallest, owner = area.min(2)
    return owner.masked_fill(smallest.isinf(), -1)


def decode(outputs: Tensor, most: int = MOST) -> list[dict[str, Tensor]]:
    """Of each picture: `boxes` [n, 4] in pixels, `scores` and `labels` [n], without those that others overlap."""
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
    """Mean average precision of a detector's outputs, by default where boxes overlap by half (mAP@.5).

    Args:
        overlaps: intersections over union from which on a box is found; the mean over them. None: COCO's, .5 to .95.
        most: boxes in a picture.
    """

    def __init__(self, overlaps: tuple[float, ...] | None = (0.5,), most: int = MOST) -> None:
        super().__init__(iou_thresholds=list(overlaps) if overlaps else None, backend="faster_coco_eval")
        self.most = most

    def update(self, outputs: Tensor, target: Tensor) -> None:
        """`outputs` of the detector and padded boxes."""
        there = [boxes[boxes[:, 4] >= 0] for boxes in target]
        truth = [{"boxes": boxes[:, :4], "labels": boxes[:, 4].long()} for boxes in there]
        super().update(decode(outputs, self.most), truth)

    def compute(self) -> Tensor:
        """The mean over the classes."""
        return super().compute()["map"].clamp(min=0)  # -1 where there is no object at all
