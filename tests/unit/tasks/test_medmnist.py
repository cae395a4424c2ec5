"""MedMNIST's sets, with small files in their real format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.medical.medmnist import MedMNIST, metrics, pictures, sets
from public_data import medmnist as files
from sklearn.metrics import roc_auc_score

from breakeven.errors import UserError
from breakeven.units import registry

PARTS = ("train", "val", "test")


@pytest.mark.parametrize(("name", "channels"), [("bloodmnist", 3), ("breastmnist", 1)])
def test_pictures_keep_their_labels_and_the_makers_split(
    name: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = np.load(files.supply(tmp_path, monkeypatch, name))
    parts = pictures.builder(name)()
    for part in PARTS:
        images, labels = parts[f"{part}_images"], parts[f"{part}_labels"]
        assert images.shape == (files.COUNTS[part], channels, 28, 28) and images.dtype == np.uint8
        assert labels.dtype == np.int64 and labels.tolist() == published[f"{part}_labels"].ravel().tolist()
        assert np.abs((images.mean((1, 2, 3)) - 44.5) / 15 - labels).max() < 0.5  # the brightness follows the label


def test_rows_columns_and_colours_stay_in_place(tmp_path: Path) -> None:
    picture = np.zeros((1, 28, 28, 3), np.uint8)
    picture[0, 3, 5] = 10, 20, 30
    arrays = {f"{part}_images": picture for part in PARTS} | {f"{part}_labels": np.uint8([[4]]) for part in PARTS}
    np.savez_compressed(tmp_path / "one.npz", **arrays)
    read = pictures.read(tmp_path / "one.npz")
    assert read["val_images"][0, :, 3, 5].tolist() == [10, 20, 30] and read["val_images"].sum() == 60
    assert read["test_labels"].tolist() == [4]


def test_black_is_minus_one_and_white_one() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    (x,) = pictures.to_inputs(images)
    assert x.dtype == torch.float32 and x.flatten().tolist() == [-1, 1]
    assert images.flatten().tolist() == [0, 255]


@pytest.mark.parametrize("name", sorted(sets.SETS))
def test_each_set_has_a_network_and_a_recipe_of_its_own_size(name: str) -> None:
    task = registry.task(f"medmnist-dataset={name}-network=test_resnet")
    x = torch.zeros(2, task.channels, 28, 28)
    with torch.inference_mode():
        assert task.model().eval()(x).shape == task.student(0.5).eval()(x).shape == (2, task.classes)
    assert 2 <= task.recipe.epochs <= 100
    assert 1 / task.classes < task.quality.target < 1


@pytest.mark.parametrize("name", ["chestmnist", "retinamnist"])
def test_sets_of_other_kinds_of_labels_are_not_offered(name: str) -> None:
    with pytest.raises(UserError, match="parameter 'dataset': Input should be 'pathmnist'"):
        registry.task(f"medmnist-dataset={name}")


def test_a_file_of_another_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.supply(tmp_path, monkeypatch)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"bloodmnist\.npz has another checksum .*: get it anew from https://zenodo"):
        MedMNIST().prepare()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", train_images=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        pictures.read(tmp_path / "objects.npz")


@pytest.mark.parametrize("classes", [2, 4])
def test_the_area_under_the_curve_is_the_paper_s(classes: int) -> None:
    torch.manual_seed(0)
    target, logits = torch.arange(60) % classes, torch.randn(60, classes)
    logits[torch.arange(60), target] += 1
    metric = metrics.AreaUnderCurve(classes)
    for part in range(0, 60, 20):
        metric.update(logits[part : part + 20], target[part : part + 20])
    scores = logits.softmax(1)
    expected = np.mean([roc_auc_score(target == i, scores[:, i]) for i in range(classes)])
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)
    assert roc_auc_score(target == 1, scores[:, 1]) == pytest.approx(expected) or classes > 2  # as it is of two


def test_logits_that_look_like_probabilities_are_none() -> None:
    metric, logits = metrics.AreaUnderCurve(3), torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.9, 0.0], [5.0, 1.0, 9.0]])
    for i in range(3):
        metric.update(logits[i : i + 1], torch.tensor([i]))
    at_once = metrics.AreaUnderCurve(3)
    at_once.update(logits, torch.arange(3))
    assert torch.equal(metric.compute(), at_once.compute())
    assert torch.equal(torch.cat(metric.preds), logits.softmax(1))
