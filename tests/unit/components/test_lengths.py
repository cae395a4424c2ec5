"""Samples of varying length: how batches are cut, in which order samples are timed, and the row's length fields."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from breakeven.components import lengths
from breakeven.components.exporting import Examples, open_shape, same_outputs, two_samples, varying
from breakeven.task import Lengths, Task
from breakeven.units import registry

IDS = torch.tensor([[5, 6, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0], [8, 9, 4, 0, 0, 0]])


def task(multiple: int = 1, dimensions: tuple = (1, None)) -> SimpleNamespace:
    """Make a task of ids padded with zeros and a second input of fixed size."""
    return trimming(
        lengths=Lengths("tokens", dimensions, multiple),
        length_of=lambda ids, _: (ids != 0).sum(1),
        example_inputs=lambda n: (IDS[:n], torch.ones(min(n, 3), 4)),
    )


def trimming(**attributes: object) -> SimpleNamespace:
    """Make a stand-in for a task with these attributes, which can trim a batch."""
    made = SimpleNamespace(**attributes)
    made.trimmed = lambda *inputs: Task.trimmed(made, *inputs)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(("multiple", "length"), [(1, 3), (2, 4), (4, 4), (5, 5), (7, 6)])
def test_a_batch_is_cut_to_its_longest_sample(multiple: int, length: int) -> None:
    ids, fixed = lengths.trimmed(task(multiple), IDS, torch.ones(3, 4))
    assert torch.equal(ids, IDS[:, :length]) and ids.is_contiguous()
    assert fixed.shape == (3, 4)


def test_inputs_of_different_lengths_are_cut_each_to_its_own() -> None:
    both = trimming(lengths=Lengths("tokens", (1, 1)), length_of=lambda *x: torch.tensor([[2, 5], [3, 1]]))
    assert [x.shape[1] for x in lengths.trimmed(both, IDS[:2], IDS[:2])] == [3, 5]
    assert lengths.first_length(both, IDS[:2], IDS[:2]).tolist() == [2, 3]


def test_samples_of_one_length_stay_as_they_are() -> None:
    fixed = registry.task("mandarin_initials")
    inputs = fixed.example_inputs(3)
    assert lengths.trimmed(fixed, *inputs)[0] is inputs[0]
    assert lengths.fields(fixed, *inputs) == {}
    assert not isinstance(lengths.examples(fixed, 3), Examples)


def test_a_row_says_how_the_lengths_are_distributed() -> None:
    found = lengths.fields(task(), *task().example_inputs(3))
    assert found == {"length_unit": "tokens", "length_p10": 1.2, "length_p50": 2, "length_p90": 2.8, "length_max": 3}


@pytest.mark.parametrize("seed", range(5))
def test_any_few_samples_in_a_row_are_as_long_as_all_of_them(seed: int) -> None:
    long = torch.randint(3, 60, (256,), generator=torch.Generator().manual_seed(seed))
    order = lengths.spread_evenly(long, seed)
    assert sorted(order.tolist()) == list(range(256))
    few = long[order].float().unfold(0, 16, 1).mean(1)
    assert few.std() < 0.4 * long.float().std() / 16**0.5  # means of 16 random samples would have this deviation


def test_examples_carry_which_dimension_varies_and_a_short_sample() -> None:
    found = two_samples(lengths.examples(task(), 3))
    assert isinstance(found, Examples)
    assert [x.shape for x in found] == [(2, 6), (2, 4)]
    assert torch.equal(found.shorter[0], torch.tensor([[7]]))
    assert open_shape(found) == [[-1, -1], [-1, 4]]
    assert [sorted(shape) for shape in varying(found)] == [[0, 1], [0]]


def test_an_export_that_holds_the_length_it_was_made_from_is_noticed() -> None:
    found = lengths.examples(task(), 2)
    model = nn.Embedding(10, 3)

    def padded(ids: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        return model(nn.functional.pad(ids, (0, 6 - ids.shape[1])))

    call = lambda ids, fixed: model(ids)  # noqa: E731
    whole = type("Model", (nn.Module,), {"forward": lambda self, ids, fixed: model(ids)})()
    assert same_outputs(whole, call, found)
    assert not same_outputs(whole, padded, found)
