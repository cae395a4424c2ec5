"""A folder in COCO's format, with small files: boxes, classes, pictures, and the faults of other folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.vision import _detector as detector
from breakeven.plugins.tasks.vision.coco import COCO, annotations, pictures
from PIL import Image
from public_data import coco as files

from breakeven.errors import UserError
from breakeven.task import PARTS, Part
from breakeven.units import registry

TRAINING, TESTING = (f"annotations/instances_{name}.json" for name in ("train2017", "val2017"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of 40 training pictures and 6 test pictures."""
    path = files.write(tmp_path / "coco", train=40, test=6)
    monkeypatch.setenv("BREAKEVEN_COCO", str(path))
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    return path


def change(path: Path, how: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def boxes_of(folder: Path, found: list[dict[str, Any]], **image: int) -> list[list[float]]:
    """Return the boxes read from annotations of a single picture of 200×100 pixels, or another size."""
    shown = {"id": 7, "file_name": "a.jpg", "width": 200, "height": 100} | image
    Image.new("RGB", (200, 100)).save(folder / "val2017" / "a.jpg")
    files.save(folder, "val2017", [shown], [{"id": i, "image_id": 7} | each for i, each in enumerate(found, start=1)])
    (boxes,) = annotations.read(folder, "val2017").boxes
    assert boxes.dtype == np.float32 and boxes.shape[1] == 5
    return boxes.tolist()


def samples_of(task: COCO, part: Part) -> Any:
    return task.samples(task._prepared().load(), part)


def test_the_published_split_is_kept_and_training_pictures_are_split(folder: Path) -> None:
    task = registry.task(files.TEXT)
    samples = {part: samples_of(task, part) for part in PARTS}
    seen = {part: [str(Path(file).relative_to(folder)) for file in samples[part][0][0].files] for part in PARTS}
    assert {part: len(seen[part]) for part in PARTS} == {"train": 38, "val": 2, "test": 6}
    numbers = sorted(range(10, 10 + 7 * 40, 7))
    assert sorted(seen["train"] + seen["val"]) == [f"train2017/{n:012}.jpg" for n in numbers]
    assert seen["test"] == [f"val2017/{n:012}.jpg" for n in range(500_010, 500_010 + 7 * 6, 7)]
    for part in PARTS:
        assert len(samples[part][1]) == len(seen[part])
    assert task.classes == 3


def test_boxes_lie_on_the_things_in_the_pictures(folder: Path) -> None:
    (images,), boxes = samples_of(registry.task(files.TEXT), "train")
    assert boxes.dtype == torch.float32 and boxes.shape == (38, 2, 5)
    checked = 0
    for image, rows in zip(images[range(len(images))], boxes, strict=True):
        assert image.shape == (64, 64, 3) and image.dtype == torch.uint8
        for x1, y1, x2, y2, kind in rows[rows[:, 4] >= 0].tolist():
            inside = image[round(y1) + 1 : round(y2) - 1, round(x1) + 1 : round(x2) - 1, int(kind)]
            assert inside.float().mean() > 180, "another colour than its class"
            checked += 1
        assert (rows[rows[:, 4] < 0] == -1).all()
    assert checked > 38


def test_a_box_is_in_shares_of_the_longer_side_and_its_class_counts_without_gaps(folder: Path) -> None:
    found = [{"bbox": [20, 10, 100, 40], "category_id": 90}, {"bbox": [0, 0, 200, 100], "category_id": 1}]
    assert boxes_of(folder, found) == [pytest.approx([0.1, 0.05, 0.6, 0.25, 2]), [0, 0, 1, 0.5, 0]]


def test_crowds_and_boxes_of_which_nothing_shows_are_left_out_and_others_are_cut(folder: Path) -> None:
    car = {"category_id": 3}
    found = [
        {"bbox": [10, 10, 50, 50], "iscrowd": 1} | car,
        {"bbox": [10, 10, 0, 50]} | car,
        {"bbox": [10, 10, 50, -3]} | car,
        {"bbox": [200, 0, 50, 50]} | car,
        {"bbox": [float("nan"), 0, 50, 50]} | car,
        {"bbox": [150, -20, 100, 70], "iscrowd": 0} | car,
    ]
    assert boxes_of(folder, found) == [[0.75, 0, 1, 0.25, 1]]


def test_a_picture_without_boxes_stays(folder: Path) -> None:
    assert boxes_of(folder, []) == []
    (images,), boxes = samples_of(registry.task(files.TEXT), "test")
    assert len(images) == 1 and (boxes == -1).all()


def test_pictures_are_resized_by_their_longer_side_and_the_rest_is_grey() -> None:
    for size in ((100, 50), (50, 100), (20, 10)):
        square = pictures.boxed(Image.new("RGB", size, (255, 0, 0)), 64)
        seen = square if size[0] > size[1] else square.transpose(0, 1)
        assert (seen[:32] == torch.tensor([255, 0, 0])).all() and (seen[32:] == torch.tensor(pictures.GREY)).all()
        (x,) = pictures.to_inputs(square[None])
        assert x.shape == (1, 3, 64, 64) and x.dtype == torch.float32
    assert x[0, :, 40:].abs().max() < 0.02


@pytest.mark.parametrize("side", [64, 96])
def test_inputs_and_outputs_are_as_large_as_asked_for(folder: Path, side: int) -> None:
    task = registry.task(f"coco-backbone=test_resnet-side={side}")
    (x,) = task.example_inputs(3)
    with torch.inference_mode():
        assert task.model().eval()(x).shape == (3, 3 + 4, side // 8, side // 8)
    boxes = samples_of(task, "test")[1]
    assert side / 2 < boxes.max() <= side


@pytest.mark.parametrize("side", [0, 100])
def test_a_side_that_no_backbone_divides_is_refused(side: int) -> None:
    with pytest.raises(UserError, match="parameter 'side'"):
        registry.task(f"coco-side={side}")


def test_other_annotations_are_prepared_anew(folder: Path) -> None:
    before = COCO().prepare()
    assert COCO().prepare() == before
    change(folder / TESTING, lambda content: content["annotations"].pop())
    assert COCO().prepare() != before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content["annotations"][0].update(category_id=2), "a box is of category 2, which it does not"),
        (lambda content: content["annotations"][0].update(image_id=3), "a box is of image 3, which it does not list"),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, 3]), "in COCO's format .ValueError: "),
        (lambda content: content["annotations"][0].update(bbox=["a"] * 4), "in COCO's format .ValueError: "),
        (lambda content: content["annotations"][0].pop("bbox"), "in COCO's format .KeyError: 'bbox'"),
        (lambda content: content["annotations"][0].pop("image_id"), "in COCO's format .KeyError: 'image_id'"),
        (lambda content: content["images"][0].pop("width"), "in COCO's format .KeyError: 'width'"),
        (lambda content: content.pop("categories"), "it lists no category"),
        (lambda content: content.update(images=[]), "it lists no image"),
        (lambda content: content.update(images="none"), "in COCO's format .TypeError: "),
    ],
)
def test_wrong_annotations_are_refused(folder: Path, spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    change(folder / TESTING, spoil)
    with pytest.raises(UserError, match=rf"instances_val2017\.json: .*{message}.*: correct it, or get it anew"):
        COCO().prepare()


@pytest.mark.parametrize("content", ['{"images": [', "[1, 2]", "3", "", b"\xff\xfe"])
def test_damaged_annotations_are_refused(folder: Path, content: str | bytes) -> None:
    (folder / TRAINING).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"instances_train2017\.json: not in COCO's format .*: correct it, or get it"):
        COCO().prepare()


def test_categories_have_to_agree(folder: Path) -> None:
    change(folder / TESTING, lambda content: content["categories"][0].update(name="people"))
    with pytest.raises(UserError, match=r"BREAKEVEN_COCO: .* list other categories: make them agree"):
        COCO().prepare()


def test_a_missing_picture_is_named(folder: Path) -> None:
    (folder / "train2017" / f"{24:012}.jpg").unlink()
    with pytest.raises(UserError, match=r"lacks 1 of the 40 pictures .* such as 000000000024\.jpg: put them there"):
        COCO().prepare()


def test_a_picture_outside_of_the_folder_is_missing(folder: Path) -> None:
    change(folder / TESTING, lambda content: content["images"][0].update(file_name="../train2017/000000000010.jpg"))
    with pytest.raises(UserError, match="lacks 1 of the 6 pictures"):
        COCO().prepare()


def test_a_damaged_picture_is_named(folder: Path) -> None:
    COCO().prepare()
    picture = folder / "val2017" / "000000500010.jpg"
    for content in (b"", picture.read_bytes()[:200]):
        picture.write_bytes(content)
        with pytest.raises(UserError, match=r"000000500010\.jpg: cannot be read as a picture .*: put it there anew"):
            COCO().example_inputs(1)


@pytest.mark.parametrize("lacking", [TRAINING, TESTING, "train2017", "val2017"])
def test_another_folder_is_refused(folder: Path, lacking: str) -> None:
    path = folder / lacking
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=f"BREAKEVEN_COCO: .* holds no '{lacking}': set it to a folder with annot"):
        COCO().prepare()


def test_a_variable_that_is_not_set_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BREAKEVEN_COCO", raising=False)
    with pytest.raises(UserError, match="BREAKEVEN_COCO is not set: set it to a folder with annotations/instances_tr"):
        COCO().prepare()


def test_weights_that_cannot_be_had_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="timm has no weights for 'resnet50t': take pretrained=False"):
        COCO(backbone="resnet50t", pretrained=True).model()
    with pytest.raises(UserError, match="timm has no model 'resnet_18'"):
        COCO(backbone="resnet_18", pretrained=True).model()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder.parent / "hub"))
    with pytest.raises(UserError, match=r"weights for 'test_resnet' could not be had .*huggingface\.co, or .*HF_HOME"):
        COCO(backbone="test_resnet", pretrained=True).model()


def found(boxes: list[list[float]]) -> torch.Tensor:
    """Make outputs [1, 5, 12, 12] of a detector that finds these boxes, each at the place next to its centre."""
    outputs = torch.full((1, 5, 12, 12), -10.0)
    for x1, y1, x2, y2 in boxes:
        row, column = int((y1 + y2) / 16), int((x1 + x2) / 16)
        x, y = 8 * column + 4, 8 * row + 4
        outputs[0, :, row, column] = torch.tensor([5.0, *np.log(np.array([x - x1, y - y1, x2 - x, y2 - y]) / 8)])
    return outputs


def test_the_score_over_overlaps_falls_where_boxes_are_inexact() -> None:
    target = torch.tensor([[[8.0, 8, 48, 48, 0]]])
    for shift, half, mean in ((0, 1.0, 1.0), (6, 1.0, 0.5), (20, 0.0, 0.0)):  # overlaps of 1, 0.74 and 0.33
        scores = [COCO().metric(), COCO().other_metrics()["map_50_95"]]
        for metric in scores:
            metric.update(found([[8 + shift, 8, 48 + shift, 48]]), target)
        assert [metric.compute().item() for metric in scores] == pytest.approx([half, mean], abs=1e-5)


def test_as_many_boxes_of_a_picture_count_as_in_coco_s_score() -> None:
    outputs = found([[x + 1.0, y + 1.0, x + 7.0, y + 7.0] for x in range(0, 96, 8) for y in range(0, 96, 8)])
    (few,), (many,) = detector.decode(outputs), detector.decode(outputs, most=100)
    assert len(few["scores"]) == 30 and len(many["scores"]) == 100
    assert COCO().metric().most == COCO().other_metrics()["map_50_95"].most == 100
