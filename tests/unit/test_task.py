"""The base class of tasks whose data fits in memory: the content of the cache and of batches."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from breakeven.data import PyPI, Source
from breakeven.data.loaders import TensorDataModule
from breakeven.plugins import REPOSITORY
from breakeven.task import Classification, Lengths, Quality, Recipe, Task, TensorData, TensorTask
from breakeven.units import registry

SIZES = {"train": 8, "val": 3, "test": 5}
built: list[str] = []  # one entry per time that data was made


def build() -> dict[str, np.ndarray]:
    """A task of texts with 1 to 6 ids at the end of a row of zeros. The target is the first id."""
    built.append("built")
    arrays = {}
    for part, n in SIZES.items():
        lengths = 1 + np.arange(n) % 6
        ids = np.arange(1, n + 1)[:, None] * (np.arange(8) < lengths[:, None])
        arrays |= {f"{part}_ids": ids, f"{part}_target": ids[:, 0]}
    return arrays


class Plain(TensorTask, Classification):
    """A task of ids with one length."""

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Plain"
    classes: ClassVar[int] = 9
    quality: ClassVar[Quality] = Quality("top1_accuracy", "ratio", higher_is_better=True, target=0.5)
    recipe: ClassVar[Recipe] = Recipe(epochs=1, batch_size=4, learning_rate=0.1)
    described: ClassVar[TensorData] = TensorData(build, ("ids",), "target")

    def data(self) -> TensorData:
        return self.described

    def model(self) -> nn.Module:
        raise NotImplementedError


class Varying(Plain):
    """A task of the same ids, whose nonzero ids count as the length."""

    lengths: ClassVar[Lengths | None] = Lengths("ids", dimensions=(1,), multiple=2)

    def length_of(self, *inputs: Tensor) -> Tensor:
        return (inputs[0] != 0).sum(1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty cache."""
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path))
    built.clear()
    return tmp_path / "prepared"


def batches(task: Task, part: str) -> list[tuple[tuple[Tensor, ...], Tensor]]:
    return list(getattr(task.datamodule(seed=0), f"{part}_dataloader")())


def described(base: type[Plain], **changes: object) -> Plain:
    """Make a task class of this base with another data description."""
    return changed(base, described=replace(base.described, **changes))


def changed(base: type[Plain], **attributes: object) -> Plain:
    """Make a task class of this base with other class attributes."""
    return type(base.__name__, (base,), {"__module__": __name__, **attributes})()


def test_data_is_made_once_and_its_hash_is_that_of_the_arrays() -> None:
    first = Plain().prepare()
    assert Plain().prepare() == first and built == ["built"]
    batches(Plain(), "test")
    Plain().example_inputs(2)
    assert built == ["built"]


def test_the_file_is_named_by_module_version_and_variant(cache: Path) -> None:
    described(Plain, variant="small").prepare()
    (path,) = cache.glob("*.safetensors")
    assert path.name.startswith("test_task-v1-small-")


@pytest.mark.parametrize(
    "other",
    [
        described(Plain, variant="small"),
        changed(Plain, version=2),
        changed(Plain, archives=(PyPI("numbers", "1", "0" * 64, "numbers.whl"),)),
    ],
    ids=["variant", "version", "archives"],
)
def test_another_variant_version_or_archive_is_made_anew(other: Plain) -> None:
    Plain().prepare()
    other.prepare()
    assert built == ["built", "built"]


def test_another_pin_of_an_archive_is_made_anew() -> None:
    for sha256 in ("0" * 64, "1" * 64):
        changed(Plain, archives=(PyPI("numbers", "1", sha256, "numbers.whl"),)).prepare()
    assert built == ["built", "built"]


@pytest.mark.parametrize(("part", "n"), [("train", 8), ("val", 3), ("test", 5)])
def test_each_part_has_its_own_samples_with_their_targets(part: str, n: int) -> None:
    found = batches(Plain(), part)
    targets = torch.cat([target for _, target in found])
    assert sorted(targets.tolist()) == list(range(1, n + 1))
    for (ids,), target in found:
        assert ids.shape[1] == 8 and torch.equal(ids[:, 0], target)
    assert len(found[0][1]) == min(4, n)


def test_the_seed_orders_training_samples() -> None:
    orders = [torch.cat([y for _, y in Plain().datamodule(seed).train_dataloader()]).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_every_part_is_transformed_and_only_training_is_augmented() -> None:
    task = described(Plain, transform=lambda ids: (ids + 100,), augment=lambda ids: (ids * 10,))
    assert batches(task, "train")[0][0][0].min() == 1000
    for part in ("val", "test"):
        assert batches(task, part)[0][0][0].min() == 100
    assert torch.equal(task.example_inputs(3)[0], Plain().example_inputs(3)[0] + 100)


def test_batches_are_trimmed_before_the_transform_and_examples_are_not() -> None:
    seen: list[int] = []

    def transform(ids: Tensor) -> tuple[Tensor]:
        seen.append(ids.shape[1])
        return (ids,)

    task = described(Varying, transform=transform)
    assert [ids.shape[1] for (ids,), _ in batches(task, "test")] == [4, 6]  # batches of two: up to 4 ids, then 5
    assert seen == [4, 6]
    (example,) = task.example_inputs(2)
    assert example.shape == (2, 8) and torch.equal(example[:, 0], torch.tensor([1, 2]))


def test_more_examples_than_test_samples_are_all_of_them() -> None:
    assert len(Plain().example_inputs(64)[0]) == 5


def test_samples_may_be_picked_otherwise() -> None:
    class Doubled(Plain):
        def samples(self, arrays: dict[str, Tensor], part: str) -> tuple[tuple[Tensor, ...], Tensor]:
            ids = arrays[f"{part}_ids"]
            return (ids, 2 * ids), ids

    (ids, twice), target = batches(Doubled(), "val")[0]
    assert torch.equal(twice, 2 * ids) and torch.equal(target, ids)
    assert len(Doubled().example_inputs(1)) == 2


def test_a_task_without_data_cannot_be_made() -> None:
    class Lacking(TensorTask, Classification):
        def model(self) -> nn.Module:
            raise NotImplementedError

    with pytest.raises(TypeError, match="data"):
        Lacking()  # type: ignore[abstract]


def test_a_task_may_load_its_data_by_hand() -> None:
    class ByHand(Classification):
        quality, recipe, classes = Plain.quality, Plain.recipe, 9

        def datamodule(self, seed: int) -> TensorDataModule:
            x = torch.arange(8.0)[:, None]
            return TensorDataModule(((x,), x), ((x,), x), ((x,), x), batch_size=4, seed=seed)

        def model(self) -> nn.Module:
            return nn.Linear(1, 9)

        def example_inputs(self, batch_size: int) -> tuple[Tensor, ...]:
            return (torch.zeros(batch_size, 1),)

    assert len(batches(ByHand(), "train")) == 2
    with pytest.raises(NotImplementedError, match="neither `prepare` nor `_prepared`"):
        ByHand().prepare()


@pytest.mark.parametrize("attribute", ["quality", "recipe", "classes"])
def test_what_a_task_does_not_define_is_named(attribute: str) -> None:
    bare = type("Bare", (Classification,), dict.fromkeys(("datamodule", "model", "example_inputs")))()
    with pytest.raises(AttributeError, match=f"Bare defines no `{attribute}`"):
        getattr(bare, attribute)


@pytest.mark.parametrize("name", sorted(registry.units("tasks")))
def test_a_task_declares_the_archives_that_its_files_name(name: str) -> None:
    unit = registry.find("tasks", name)
    files = [path for path in map(Path, unit.sources) if path.parent == unit.path.parent]
    found: set[Source] = set()
    for path in files:
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        module = import_module(".".join(["breakeven.plugins", *(part for part in parts if part != "__init__")]))
        found |= {value for value in vars(module).values() if isinstance(value, Source)}
    assert found == set(registry.load("tasks", name).archives)
