"""Data of tasks from small files in the real formats, and the cutting of batches."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from breakeven.plugins.tasks.vision import _garments
from breakeven.plugins.tasks.vision.fashion_mnist import FashionMNIST, images

from breakeven.data import Unavailable
from breakeven.data.loaders import TensorDataModule
from breakeven.errors import UserError


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def publish(folder: Path, suffix: str = "") -> Path:
    """Write the four files: 12 training pictures of one value each, which is also their label, and 3 test pictures."""
    folder.mkdir(parents=True)
    for part, n in (("train", 12), ("t10k", 3)):
        values = np.arange(n, dtype=np.uint8)
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", values)
        pixels = np.broadcast_to(values[:, None, None], (n, 28, 28)).copy()
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", pixels)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_and_split(tmp_path: Path, suffix: str) -> None:
    parts = images.split(publish(tmp_path / "published", suffix), validation=2)
    assert {k: v.shape for k, v in parts.items() if "images" in k} == {
        "train_images": (10, 28, 28),
        "val_images": (2, 28, 28),
        "test_images": (3, 28, 28),
    }
    for part in ("train", "val", "test"):  # every picture kept its label
        assert (parts[f"{part}_images"] == parts[f"{part}_labels"][:, None, None]).all()
    assert sorted([*parts["train_labels"], *parts["val_labels"]]) == list(range(12))
    assert parts["test_labels"].dtype == np.int64


def test_pictures_are_padded_with_black_and_standardised() -> None:
    picture = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    (x,) = images.to_inputs(picture)
    assert x.shape == (1, 1, 32, 32) and x.dtype == torch.float32
    assert x[0, 0, 0, 0].item() == pytest.approx(-0.286 / 0.353)
    assert x[0, 0, 16, 16].item() == pytest.approx((1 - 0.286) / 0.353)
    assert (picture == 255).all()


def test_without_the_package_the_public_loader_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path))
    monkeypatch.setattr(_garments, "obtain", unavailable)
    monkeypatch.setattr(images.split, "__defaults__", (2,))
    publish(tmp_path / "torchvision" / "FashionMNIST" / "raw")  # the files of a download
    assert images.build()["train_images"].shape == (10, 28, 28)


def test_with_neither_the_message_is_the_package_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path))
    monkeypatch.setattr(_garments, "obtain", unavailable)
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.mirrors", [(tmp_path / "nowhere").as_uri() + "/"])
    with pytest.raises(Unavailable, match="no package"):
        images.build()


def unavailable(_: object) -> Path:
    raise Unavailable("no package")


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(UserError, match="timm has no model 'resnet_18'"):
        FashionMNIST(network="resnet_18").model()


@pytest.mark.parametrize("network", ["resnet10t", "vit_tiny_patch16_224"])
def test_other_networks_take_the_same_pictures(network: str) -> None:
    model = FashionMNIST(network=network).model().eval()
    with torch.inference_mode():
        assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def module(n: int = 10, batch_size: int = 4, **given) -> TensorDataModule:
    samples = (torch.arange(n), torch.arange(n) * 10), torch.arange(n)
    return TensorDataModule(samples, samples, samples, batch_size=batch_size, seed=0, **given)


def test_batches_hold_matching_samples() -> None:
    batches = list(module().train_dataloader())
    assert [len(target) for _, target in batches] == [4, 4], "the last, smaller batch is left out"
    for (x, ten_x), target in batches:
        assert torch.equal(x, target) and torch.equal(ten_x, target * 10)
    assert [len(target) for _, target in module().test_dataloader()] == [4, 4, 2]


def test_only_training_batches_are_augmented() -> None:
    changed = module(transform=lambda x, y: (x + 1, y), augment=lambda x, y: (x * 0 - 1, y))
    assert all((x == -1).all() for (x, _), _ in changed.train_dataloader())
    for loader in (changed.val_dataloader(), changed.test_dataloader()):
        assert all(torch.equal(x, target + 1) for (x, _), target in loader)


def test_the_batch_is_shared_by_the_processes() -> None:
    shared = module()
    shared.trainer = share(2)
    assert shared.train_dataloader().batch_size == 2
    shared.trainer = share(3)
    with pytest.raises(UserError, match="a batch of 4 cannot be shared by 3 processes"):
        shared.train_dataloader()


def share(of: int, rank: int = 0) -> SimpleNamespace:
    return SimpleNamespace(strategy=SimpleNamespace(distributed_sampler_kwargs={"num_replicas": of, "rank": rank}))


def test_processes_share_the_batches_that_one_would_have() -> None:
    """This holds in each epoch. If the set does not divide evenly, validation sees some samples twice."""
    alone, parts = module(), [module(), module()]
    for rank, part in enumerate(parts):
        part.trainer = share(2, rank)
    whole, *shared = (each.train_dataloader() for each in (alone, *parts))
    for _ in range(2):
        for (_, target), *own in zip(whole, *shared, strict=True):
            assert torch.equal(target, torch.stack([its for _, its in own], dim=1).flatten())
    seen = [torch.cat([target for _, target in part.test_dataloader()]) for part in parts]
    assert torch.equal(torch.cat(seen).unique(), torch.arange(10)) and len(seen[0]) == len(seen[1])
