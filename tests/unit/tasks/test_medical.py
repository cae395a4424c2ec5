"""Patches of a brain and tiles of a micrograph, with small files in the real formats."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.medical.brain_tissue import patches as brain
from breakeven.plugins.tasks.medical.nuclei import Nuclei, tiles
from PIL import Image

from breakeven.errors import UserError

SHAPE = (40, 233, 40)  # as deep as the template, so that it has all slices


def write(folder: Path, name: str, values: np.ndarray) -> None:
    file = folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values.astype(np.uint8), np.eye(4)), file)


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make three layers of one tissue each, with the slice's number as brightness, and nothing below x = 4."""
    folder = tmp_path / "nilearn" / "datasets" / "data"
    folder.mkdir(parents=True)
    t1 = np.broadcast_to(np.arange(SHAPE[1])[None, :, None] + 1, SHAPE).copy()
    t1[:4] = 0
    write(folder, "t1", t1)
    for name, layers in (("gm", slice(18, 22)), ("wm", slice(22, 40))):
        values = np.zeros(SHAPE)
        values[layers] = 200
        values[:, :, 20] /= 4  # below the required certainty
        write(folder, name, values)
    monkeypatch.setattr(brain, "obtain", lambda _: tmp_path)
    monkeypatch.setattr(brain, "COUNTS", {"train": 40, "val": 10, "test": 20})
    return folder


def test_a_tissue_is_the_likelier_map_where_one_is_sure(template: Path) -> None:
    t1, grey, white = (brain.volume(template, name) for name in ("t1", "gm", "wm"))
    assert t1.dtype == np.float32 and t1.max() == grey.max() == 1
    labels = brain.tissues(t1, grey, white)
    assert labels[[0, 10, 19, 30], 0, 0].tolist() == [-1, 0, 1, 2]
    assert labels[[0, 10, 19, 30], 0, 20].tolist() == [-1, 0, 0, 0]


def test_patches_are_balanced_and_split_by_slice(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brain, "NOISE", 0.0)
    parts = brain.build()
    assert {k: v.shape for k, v in parts.items() if "patches" in k} == {
        "train_patches": (120, 1, 28, 28),
        "val_patches": (30, 1, 28, 28),
        "test_patches": (60, 1, 28, 28),
    }
    slices = {}
    brightest = parts["train_patches"].max(), parts["test_patches"].max()
    assert brightest[0] < brightest[1]
    for part, count in (("train", 40), ("val", 10), ("test", 20)):
        assert np.bincount(parts[f"{part}_tissues"]).tolist() == [count] * 3
        slices[part] = set(parts[f"{part}_patches"][:, 0, 14, 14].round(4).tolist())
    assert not slices["train"] & slices["val"] and not slices["val"] & slices["test"]
    assert max(slices["train"]) < min(slices["val"]) <= max(slices["val"]) < min(slices["test"])


def test_stored_noise_is_the_same_every_time_and_training_s_is_not(template: Path) -> None:
    once, again = brain.build(), brain.build()
    assert all(np.array_equal(once[name], again[name]) for name in once)
    torch.manual_seed(0)
    x = torch.from_numpy(once["train_patches"])
    (one,), (other,) = brain.augment(x), brain.augment(x)
    assert not torch.equal(one, other)
    assert ((one - x) * brain.STD).std().item() == pytest.approx(brain.NOISE, rel=0.02)
    assert np.array_equal(x.numpy(), again["train_patches"]), "the stored patches changed"


@pytest.fixture
def micrograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a micrograph whose brightness counts columns. Every other square of 8×8 pixels is a numbered nucleus."""
    folder = tmp_path / "stardist" / "data" / "images"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:512, :512]
    squares = (rows // 8 + columns // 8) % 2
    Image.fromarray(columns.astype(np.uint16)).save(folder / "img2d.tif")
    Image.fromarray((squares * (1 + rows // 8)).astype(np.uint16)).save(folder / "mask2d.tif")
    monkeypatch.setattr(tiles, "obtain", lambda _: tmp_path)
    return tmp_path


def test_parts_are_columns_of_their_own(micrograph: Path) -> None:
    arrays = tiles.build()
    assert [len(arrays[f"{part}_tiles"]) for part in ("train", "val", "test")] == [tiles.CROPS, 8, 16]
    seen = np.arange(272)
    columns = {p: set((arrays[f"{p}_tiles"] * seen.std() + seen.mean()).round().ravel()) for p in tiles.PARTS}
    assert {part: (min(found), max(found)) for part, found in columns.items()} == {
        "train": (0, 271),
        "val": (296, 359),
        "test": (384, 511),
    }
    for part in tiles.PARTS:
        assert arrays[f"{part}_tiles"].shape[1:] == (1, 64, 64) and arrays[f"{part}_tiles"].dtype == np.float32
        assert arrays[f"{part}_masks"].shape[1:] == (64, 64) and set(arrays[f"{part}_masks"].ravel()) == {0, 1}


def test_masks_follow_their_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "CROPS", 40)
    picture = np.random.default_rng(3).normal(size=(512, 512)).astype(np.float32)
    arrays = tiles.split(picture, (picture > 0.5).astype(np.uint8))
    brightness = 0.5 - picture[:, tiles.PARTS["train"]].mean()
    above = brightness / picture[:, tiles.PARTS["train"]].std()
    for part in tiles.PARTS:
        assert np.array_equal(arrays[f"{part}_masks"], arrays[f"{part}_tiles"][:, 0] > above)
    assert np.array_equal(arrays["test_masks"][1], picture[:64, 448:512] > 0.5)


def test_dice_and_iou_of_known_overlaps() -> None:
    task, target = Nuclei(), torch.zeros(2, 64, 64, dtype=torch.uint8)
    target[:, :32] = 1
    found = torch.zeros(2, 64, 64, dtype=torch.long)
    for rows, dice, iou in ((slice(0, 32), 1.0, 1.0), (slice(16, 48), 0.5, 1 / 3), (slice(32, 64), 0.0, 0.0)):
        found[:] = 0
        found[:, rows] = 1
        logits = torch.nn.functional.one_hot(found, 2).permute(0, 3, 1, 2).float()
        for metric, value in ((task.metric(), dice), (task.other_metrics()["iou"], iou)):
            for i in range(2):
                metric.update(logits[i : i + 1], target[i : i + 1])
            assert metric.compute().item() == pytest.approx(value)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(UserError, match="timm has no model 'resnet_18'"):
        Nuclei(encoder="resnet_18").model()
