"""Tasks on pictures: their shared networks, and two public data sets with small files in their real formats."""

from __future__ import annotations

import io
import itertools
import random
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.vision.cifar10 import pictures as cifar10
from breakeven.plugins.tasks.vision.fashion_mnist import FashionMNIST
from breakeven.plugins.tasks.vision.imagenet_folder import ImageNetFolder
from breakeven.plugins.tasks.vision.imagenet_folder import pictures as imagenet
from public_data import cifar10 as cifar10_files
from public_data import imagenet_folder as imagenet_files
from torch import nn

from breakeven.components.image_networks import image_classifier, narrower
from breakeven.errors import CellFailure, UserError

PARTS = ("train", "val", "test")


def weights(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def layers(network: nn.Module) -> list[nn.Module]:
    """Return a network's 3×3 convolutions and dense layers."""
    return [m for m in network.modules() if isinstance(m, nn.Linear) or getattr(m, "kernel_size", 1) == (3, 3)]


ANY = ["plain_cnn", "test_resnet", "test_vit", "vit_tiny_patch16_224", "mobilenetv3_small_050"]


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    # LeViT needs pictures of a multiple of 16 pixels, because it halves them four times.
    [*((name, *shape) for name in ANY for shape in [(1, 28), (3, 32)]), ("levit_128s", 1, 32)],
)
def test_any_network_takes_small_pictures(name: str, channels: int, size: int) -> None:
    network = image_classifier(name, channels=channels, classes=5, size=size).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, channels, size, size)).shape == (2, 5)


def test_the_plain_cnn_has_the_layers_that_it_says() -> None:
    network = image_classifier("plain_cnn", channels=1, classes=10, size=32)
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128) + 32 + 64 + 128
    assert weights(network) == convolutions + (128 * 4 * 4 + 1) * 256 + 257 * 10


@pytest.mark.parametrize(("name", "size", "patch"), [("test_vit", 28, 14), ("test_vit", 32, 16), ("test_vit", 160, 16)])
def test_a_small_picture_is_cut_into_four_patches_at_least(name: str, size: int, patch: int) -> None:
    assert image_classifier(name, 1, 10, size).patch_embed.patch_size == (patch, patch)


def test_the_class_that_moved_says_where_it_is() -> None:
    with pytest.raises(ImportError, match=r"is now breakeven\.components\.image_classification\."):
        from breakeven.task import ImageClassification  # noqa: F401


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(UserError, match="timm has no model 'resnet_18'"):
        image_classifier("resnet_18", 1, 10, 32)


@pytest.mark.parametrize("name", ["plain_cnn", "resnet18", "resnet50", "test_vit"])
def test_a_narrower_network_is_the_same_but_for_its_width(name: str) -> None:
    network = image_classifier(name, 3, 10, 32)
    half = image_classifier(name, 3, 10, 32, narrower(network, 0.5))
    # A narrower ResNet's first blocks may need an extra projection, because its stem keeps its width.
    assert len(layers(half)) == len(layers(network))
    assert 0.2 < weights(half) / weights(network) < 0.35  # a layer's weights grow with its width squared


def test_a_network_of_no_known_narrower_one_says_so_by_its_name() -> None:
    with pytest.raises(CellFailure, match="no narrower 'mobilenetv3_small_050' is known: take plain_cnn, or"):
        narrower(image_classifier("mobilenetv3_small_050", 1, 10, 32), 0.5)


@pytest.mark.parametrize("network", ["plain_cnn", "test_vit"])
def test_garments_are_shown_to_other_networks_by_recipes_of_their_own(network: str) -> None:
    task = FashionMNIST(network=network)
    assert task.recipe != FashionMNIST().recipe
    assert weights(task.student(0.5)) < weights(task.model())


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small CIFAR-10 into the folder for users' downloads."""
    cifar10_files.supply(tmp_path, monkeypatch)
    return tmp_path / "downloads" / cifar10.ARCHIVE.name


def test_cifar10_is_split_and_every_picture_keeps_its_label(archive: Path) -> None:
    parts = cifar10.build()
    shapes = {part: parts[f"{part}_images"].shape for part in PARTS}
    assert shapes == {"train": (1152, 3, 32, 32), "val": (128, 3, 32, 32), "test": (256, 3, 32, 32)}
    for part in PARTS:
        images, labels = parts[f"{part}_images"], parts[f"{part}_labels"]
        assert images.dtype == np.uint8 and labels.dtype == np.int64
        assert np.abs((images.mean((1, 2, 3)) - 49.5) / 15 - labels).max() < 0.2  # the brightness follows the label
    seen = [{image.tobytes() for image in parts[f"{part}_images"]} for part in PARTS]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_a_record_is_a_label_and_three_planes(tmp_path: Path) -> None:
    record = np.concatenate([[7], np.full(1024, 1), np.full(1024, 2), np.arange(1024) % 256]).astype(np.uint8).tobytes()
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.size = len(record)
        file.addfile(member, io.BytesIO(record))
    with tarfile.open(tmp_path / "one.tar.gz") as file:
        (image,), (label,) = cifar10.read(file, cifar10.TESTING)
    assert label == 7 and (image[0] == 1).all() and (image[1] == 2).all()
    assert image[2, 0].tolist() == list(range(32)) and image[2, 1, 0] == 32  # stored by rows


def test_augmentation_mirrors_and_shifts_and_keeps_the_input() -> None:
    torch.manual_seed(0)
    x = torch.rand(12, 3, 32, 32) + 1
    before = x.clone()
    (changed,) = cifar10.augment(x)
    assert torch.equal(x, before)
    padded = nn.functional.pad(torch.stack([x, x.flip(3)]), (4, 4, 4, 4))
    places = []
    for i in range(len(x)):
        found = [
            (mirrored, down, right)
            for mirrored, down, right in itertools.product((0, 1), range(9), range(9))
            if torch.equal(padded[mirrored, i, :, down : down + 32, right : right + 32], changed[i])
        ]
        assert len(found) == 1
        places += found
    assert len(set(places)) > 6 and {mirrored for mirrored, _, _ in places} == {0, 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a small ImageNet: two classes, 40 training pictures and 3 test pictures of each."""
    path = imagenet_files.write(tmp_path / "imagenet", train=40, test=3, classes=2)
    monkeypatch.setenv(imagenet.VARIABLE, str(path))
    return path


def test_the_folder_s_pictures_are_split(folder: Path) -> None:
    parts = imagenet.listed()
    assert {part: len(parts[part].files) for part in PARTS} == {"train": 76, "val": 4, "test": 6}
    assert imagenet.classes() == ["n01440760", "n01440761"]
    files = [name for part in PARTS for name in parts[part].files]
    assert sorted(files) == sorted(map(str, folder.glob("*/*/*.JPEG")))
    assert all(Path(name).parts[-3] == "val" for name in parts["test"].files)
    for part in parts.values():
        assert [imagenet.classes()[i] for i in part.labels] == [Path(name).parent.name for name in part.files]


def test_its_hash_covers_paths_and_sizes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [ImageNetFolder().prepare()]
    for i, change in enumerate([lambda _: None, grow, rename]):
        copied = folder.parent / f"copy{i}"
        shutil.copytree(folder, copied)
        change(copied / "val" / "n01440760" / "n01440760_0.JPEG")
        monkeypatch.setenv(imagenet.VARIABLE, str(copied))
        hashes.append(ImageNetFolder().prepare())
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"0")


def rename(path: Path) -> None:
    path.rename(path.with_stem("other"))


def test_networks_see_pictures_of_their_own_size_by_timm_s_transforms(folder: Path) -> None:
    for network, size in (("test_resnet", 160), ("resnet18", 224)):
        (x,) = ImageNetFolder(network=network).example_inputs(4)
        assert x.shape == (4, 3, size, size) and x.dtype == torch.float32
    (again,) = ImageNetFolder(network="resnet18").example_inputs(4)
    assert torch.equal(x, again)
    # The first class is dark, the second bright. Pictures are standardised by ImageNet's mean and deviation.
    dark, bright = (ImageNetFolder().example_inputs(6)[0][i].mean().item() for i in (1, 4))
    assert dark == pytest.approx((60 / 255 - 0.449) / 0.226, abs=0.1)
    assert bright == pytest.approx((80 / 255 - 0.449) / 0.226, abs=0.1)


def test_training_crops_at_random_but_the_same_for_a_seed_whatever_the_threads(folder: Path) -> None:
    def batch(seed: int, threads: int) -> torch.Tensor:
        torch.set_num_threads(threads)
        loader = ImageNetFolder(network="test_resnet").datamodule(seed=0).train_dataloader()
        random.seed(seed)  # after the imports, because a library's first import draws random numbers too
        torch.manual_seed(seed)
        ((x,), _) = next(iter(loader))
        return x

    before = torch.get_num_threads()
    try:
        assert torch.equal(batch(1, 1), batch(1, 4))
        assert not torch.equal(batch(1, 1), batch(2, 1))
    finally:
        torch.set_num_threads(before)


def test_a_variable_that_is_not_set_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(imagenet.VARIABLE, raising=False)
    with pytest.raises(UserError, match="BREAKEVEN_IMAGENET is not set: set it to a folder with pictures in train/"):
        ImageNetFolder().prepare()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "val"), "holds no 'val': set it to"),
        (lambda folder: shutil.rmtree(folder / "train" / "n01440761"), "only one of train and val"),
        (lambda folder: [shutil.rmtree(path) for path in folder.glob("train/*")], "find any class folder"),
        (lambda folder: [path.unlink() for path in folder.glob("val/n01440760/*")], "no valid file for the classes"),
    ],
)
def test_another_folder_is_refused(folder: Path, spoil, message: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=f"BREAKEVEN_IMAGENET: .*{message}"):
        ImageNetFolder().prepare()


def test_top_5_is_reported_where_there_are_more_classes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ImageNetFolder().other_metrics() == {}
    monkeypatch.setenv(imagenet.VARIABLE, str(imagenet_files.write(folder.parent / "six", train=1, test=1, classes=6)))
    metric = ImageNetFolder().other_metrics()["top5_accuracy"]
    logits = torch.arange(6.0).expand(6, 6)
    metric.update(logits, torch.arange(6))
    assert metric.compute().item() == pytest.approx(5 / 6)


def test_weights_that_timm_does_not_have_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="timm has no weights for 'resnet50t': take pretrained=False"):
        ImageNetFolder(network="resnet50t", pretrained=True).model()


def test_weights_that_cannot_be_downloaded_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder.parent / "hub"))
    with pytest.raises(UserError, match=r"weights for 'test_resnet' could not be had .*huggingface\.co, or .*HF_HOME"):
        ImageNetFolder(network="test_resnet", pretrained=True).model()


def test_pretrained_weights_are_tuned_more_gently() -> None:
    scratch, tuned = ImageNetFolder(), ImageNetFolder(pretrained=True)
    assert tuned.recipe.learning_rate < scratch.recipe.learning_rate and tuned.recipe.epochs < scratch.recipe.epochs
    assert tuned.quality.target > scratch.quality.target
