"""Data loaders for tasks whose prepared data fits in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from pytorch_lightning import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, RandomSampler

from breakeven.errors import UserError

Batch = tuple[tuple[Tensor, ...], Tensor]  # inputs and target; the first dimension of each counts samples
Transform = Callable[..., tuple[Tensor, ...]]  # takes the inputs of a batch and returns the new inputs


class TensorDataModule(LightningDataModule):
    """Train, validation and test loaders over tensors. This process makes a batch by one indexing of each tensor.

    Args:
        train, val, test: inputs and target of all samples of the part; the first dimension of each counts samples.
        batch_size: samples per optimiser step over all processes; each process loads its share.
        seed: of the order of the training samples.
        transform: applied to the inputs of every batch, such as normalisation.
        augment: applied to the inputs of training batches after `transform`; draws from torch's global generator.
    """

    def __init__(
        self,
        train: Batch,
        val: Batch,
        test: Batch,
        *,
        batch_size: int,
        seed: int,
        transform: Transform | None = None,
        augment: Transform | None = None,
    ) -> None:
        super().__init__()
        self.train, self.val, self.test = train, val, test
        self.batch_size, self.seed = batch_size, seed
        self.transform, self.augment = transform, augment

    def train_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of training batches, shuffled anew in each epoch; a last, smaller batch is left out.

        The loader has `state_dict` and `load_state_dict`: given the state of another loader, it continues after the
        batches that the other one gave.

        Raises:
            UserError: the batch size cannot be shared by the processes.
        """
        order = torch.Generator().manual_seed(self.seed)
        steps = [step for step in (self.transform, self.augment) if step]
        return self._loader(_Resumable, self.train, steps, order, drop_last=True, generator=torch.Generator())

    def val_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of validation batches, in order.

        Raises:
            UserError: the batch size cannot be shared by the processes.
        """
        return self._loader(DataLoader, self.val, [self.transform] if self.transform else [])

    def test_dataloader(self) -> DataLoader[Batch]:
        """Make the loader of test batches, in order, with all samples.

        Raises:
            UserError: the batch size cannot be shared by the processes.
        """
        return self._loader(DataLoader, self.test, [self.transform] if self.transform else [])

    def _loader(
        self,
        kind: type[DataLoader[Batch]],
        samples: Batch,
        steps: list[Transform],
        order: torch.Generator | None = None,
        **how: Any,
    ) -> DataLoader[Batch]:
        shares, rank = share_of_a_batch(self.trainer)
        size, rest = divmod(self.batch_size, shares)
        if rest or not size:
            raise UserError(f"a batch of {self.batch_size} cannot be shared by {shares} processes: change either")
        dataset = _Batches(samples, steps)
        return kind(dataset, batch_size=size, collate_fn=_as_it_is, sampler=_Share(dataset, shares, rank, order), **how)


class _Resumable(DataLoader[Batch]):
    """A loader that counts the batches it has given. Lightning keeps this state in checkpoints."""

    given = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            self.given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches given so far, over all epochs."""
        return {"batches": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after that many batches, without loading them."""
        self.given = state["batches"]
        epochs, batches = divmod(self.given, len(self))
        cast(_Share, self.sampler).go_on(epochs, batches * cast(int, self.batch_size))


class _Share(DistributedSampler[int]):
    """One process's share of the batches that a single process would have: all processes train on the same batches.

    Lightning replaces any sampler that is not a `DistributedSampler` by its own, which shuffles in another order.
    """

    def __init__(self, dataset: _Batches, shares: int, rank: int, order: torch.Generator | None) -> None:
        super().__init__(dataset, shares, rank)
        self.samples = range(len(dataset))
        self.order = order  # gives each epoch its order; None: the samples keep their order
        self.skipped = 0

    def __iter__(self) -> Iterator[int]:
        indices, skipped, self.skipped = self._epoch(), self.skipped, 0
        indices += indices[: -len(indices) % self.num_replicas]  # shares of one size: processes step together
        return iter(indices[self.rank :: self.num_replicas][skipped:])

    def go_on(self, epochs: int, samples: int) -> None:
        """Begin after that many epochs, and after that many of this process's samples of the next epoch."""
        for _ in range(epochs):
            self._epoch()
        self.skipped = samples

    def _epoch(self) -> list[int]:
        if self.order is None:
            return list(self.samples)
        # A loader that shares this generator would first draw its own seed from it. This draw stands for that one.
        torch.empty((), dtype=torch.int64).random_(generator=self.order)
        return list(RandomSampler(self.samples, generator=self.order))


class _Batches(Dataset[Batch]):
    """A data set that gives a whole batch for a list of indices: collating single samples outlasts a small model."""

    def __init__(self, samples: Batch, steps: list[Transform]) -> None:
        self.inputs, self.target = samples
        self.steps = steps

    def __len__(self) -> int:
        return len(self.target)

    def __getitems__(self, indices: list[int]) -> Batch:
        chosen = torch.as_tensor(indices)
        inputs = tuple(x[chosen] for x in self.inputs)
        for step in self.steps:
            inputs = step(*inputs)
        return inputs, self.target[chosen]


def _as_it_is(batch: Any) -> Batch:  # torch's stubs expect a list of samples
    return batch


def share_of_a_batch(trainer: Trainer | None) -> tuple[int, int]:
    """Return how many shares a global batch is split into, and the index of this process's share."""
    found = getattr(trainer and trainer.strategy, "distributed_sampler_kwargs", {"num_replicas": 1, "rank": 0})
    return found["num_replicas"], found["rank"]
