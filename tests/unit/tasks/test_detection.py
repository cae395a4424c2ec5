"""Detection: boxes are assigned, decoded and scored at their positions, and tiles cut them there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.vision import _detector as detector
from breakeven.plugins.tasks.vision.aerial_trees import tiles
from PIL import Image

TARGET = torch.tensor([[[8, 8, 40, 40, 1], [50, 16, 90, 88, 0], [-1] * 5], [[20, 20, 60, 70, 1], [-1] * 5, [-1] * 5]])
TARGET = TARGET.float()


def perfect(target: torch.Tensor, classes: int = 2, shift: float = 0.0) -> torch.Tensor:
    """Make outputs [batch, classes + 4, 12, 12] with every object's own box, moved right by `shift` pixels."""
    blank = torch.full((len(target), classes + 4, 12, 12), -10.0)
    _, _, centres = detector._places(blank)
    owner = detector.assigned(centres, target)
    for i, places in enumerate(owner):
        for place in (places >= 0).nonzero().flatten().tolist():
            x1, y1, x2, y2, kind = target[i, places[place]]
            x, y = centres[place]
            sides = torch.stack([x - x1 - shift, y - y1, x2 + shift - x, y2 - y]).clamp(min=0.1)
            row, column = divmod(place, 12)
            blank[i, int(kind), row, column] = 5.0
            blank[i, classes:, row, column] = (sides / detector.STRIDE).log()
    return blank


def score(outputs: torch.Tensor, target: torch.Tensor) -> float:
    metric = detector.Precision()
    metric.update(outputs, target)
    return metric.compute().item()


def test_its_own_boxes_are_found_and_nothing_else() -> None:
    found = detector.decode(perfect(TARGET))
    for picture, boxes in zip(found, TARGET, strict=True):
        there = boxes[boxes[:, 4] >= 0]
        order = picture["boxes"][:, 0].argsort()
        assert torch.allclose(picture["boxes"][order], there[there[:, 0].argsort()][:, :4], atol=1e-3)
        assert sorted(picture["labels"].tolist()) == sorted(there[:, 4].int().tolist())


def test_the_score_tells_right_from_wrong() -> None:
    assert score(perfect(TARGET), TARGET) == pytest.approx(1)
    assert score(perfect(TARGET).roll(1, 0), TARGET) < 0.5  # each picture has the other's boxes
    swapped = perfect(TARGET)[:, [1, 0, 2, 3, 4, 5]]
    assert score(swapped, TARGET) == 0


def test_the_loss_is_least_where_the_boxes_are_right() -> None:
    right, shifted = (detector.loss(perfect(TARGET, shift=shift), TARGET) for shift in (0.0, 12.0))
    assert right < shifted < detector.loss(perfect(TARGET).roll(1, 0), TARGET)


def test_the_smallest_object_at_a_place_is_its_own() -> None:
    nested = torch.tensor([[[0, 0, 96, 96, 0], [36, 36, 60, 60, 1]]]).float()
    owner = detector.assigned(torch.tensor([[48.0, 48.0], [2.0, 2.0]]), nested)
    assert owner.tolist() == [[1, -1]]  # no object's centre is near the corner


def test_a_picture_without_objects_has_a_loss_and_a_score() -> None:
    empty = torch.full((1, 3, 5), -1.0)
    assert detector.loss(perfect(empty), empty).isfinite()
    assert score(perfect(empty), empty) == 0


def voc(folder: Path, name: str, boxes: list[tuple[int, int, int, int]], size: tuple[int, int]) -> None:
    """Write a photograph and its boxes in the form of Pascal VOC."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = ("".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True)) for box in boxes)
    content = "".join(f"<object><name>Tree</name><bndbox>{each}</bndbox></object>" for each in objects)
    (folder / f"{name}.xml").write_text(f"<annotation>{content}</annotation>")
    Image.fromarray(np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)).save(
        folder / f"{name}.png"
    )


def test_tiles_hold_the_boxes_that_show_in_them(tmp_path: Path) -> None:
    voc(tmp_path, "photo", [(10, 20, 50, 60), (120, 0, 180, 40), (100, 100, 140, 140)], size=(256, 150))
    image, trees = tiles.read(tmp_path, "photo")
    assert image.shape == (150, 256, 3) and trees.shape == (3, 4)
    (first, boxes), (second, others) = tiles.tiles(image, trees, 128)
    assert (first == image[:128, :128]).all() and (second == image[:128, 128:]).all()
    assert boxes.tolist() == [[10, 20, 50, 60], [100, 100, 128, 128]]  # the tile shows 49 % of the third
    assert others.tolist() == [[0, 0, 52, 40]]


def test_boxes_turn_with_their_tile() -> None:
    image, box = np.zeros((128, 128, 3), np.uint8), np.array([[10.0, 20.0, 40.0, 90.0]])
    image[20:90, 10:40] = 255
    seen, rng = set(), np.random.default_rng(0)
    for _ in range(40):
        turned, ((x1, y1, x2, y2),) = tiles.turned(image, box, rng)
        rows, columns, _ = np.nonzero(turned)
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x1, y1, x2, y2)
        seen.add((x1, y1, x2, y2))
    assert len(seen) == 8
