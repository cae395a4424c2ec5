"""Cuts a network into stages. Each stage runs the network's own forward, from one module's call to another's."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten
from torch.utils.flop_counter import FlopCounterMode

from breakeven.errors import CellFailure

Inputs = tuple[Tensor, ...]
LEAST = 0.2  # of an even share of the operations: a stage with fewer is not worth a process


@dataclass(frozen=True)
class Cut:
    """Beginning of a stage: the call of a module, or the network's own call."""

    module: str = ""  # the module's name in the network; empty for the network itself
    sent: tuple[int, ...] = ()  # indices of the call's flattened arguments that the stage before sends


@dataclass
class Order:
    """Order in which a forward pass calls modules."""

    calls: list[str] = field(default_factory=list)
    flops: list[int] = field(default_factory=list)  # operations of the pass before each call
    sizes: list[int] = field(default_factory=list)  # numbers in the arguments of each call
    total: int = 0  # operations of the whole pass

    def place(self, name: str) -> int:
        """Return the index of a module's first call; for a name that is never called, that of the module around it."""
        while name not in self.calls:
            name = name.rpartition(".")[0]
        return self.calls.index(name)

    def owner(self, name: str, cuts: list[Cut]) -> int:
        """Return the index of the stage that a module or a parameter belongs to."""
        return max(i for i, cut in enumerate(cuts) if self.place(cut.module) <= self.place(name))


class Left(BaseException):
    """Exception that leaves a forward pass where a stage ends. It is no error, and the network must not catch it."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Stage(nn.Module):
    """One stage of a network.

    It changes the network: parameters and buffers of other stages keep their shapes, but lose their values. Up to the
    stage's beginning, its forward pass runs on those shapes only (torch's fake tensors). So the network's own code
    decides about masks and sizes in every stage, and only values that depend on nothing but the inputs are computed
    twice.

    Args:
        order: the order of the network's calls.
        cuts: the beginning of every stage.
        index: the index of this stage.
        device: the device that it will compute on.
    """

    def __init__(self, network: nn.Module, order: Order, cuts: list[Cut], index: int, device: torch.device) -> None:
        super().__init__()
        self.network, self.cuts, self.index = network, cuts, index
        self.received: Inputs | None = None
        _forget(network, lambda name: order.owner(name, cuts) != index, device)
        if index > 0:
            for name in _finished(order, cuts[index].module):
                module = network.get_submodule(name)
                module.forward = _remembered(module.forward)
            network.get_submodule(cuts[index].module).register_forward_pre_hook(self._begin, with_kwargs=True)
        if index + 1 < len(cuts):
            network.get_submodule(cuts[index + 1].module).register_forward_pre_hook(self._end, with_kwargs=True)

    def forward(self, *received: Tensor, inputs: Inputs) -> Any:
        """Return the tensors for the next stage, or the network's outputs, given the inputs and received tensors."""
        self.received = received
        return self._run(inputs)

    def expected(self, inputs: Inputs) -> tuple[int, ...]:
        """Return the indices of the arguments to receive, among those of the module where this stage begins."""
        self.received = None
        return self._run(inputs)

    def _run(self, inputs: Inputs) -> Any:
        try:
            return self.network(*inputs)
        except Left as left:
            return left.values

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        leaves, structure = tree_flatten((args, kwargs))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, FakeTensor)]
        if self.received is None:
            raise Left(tuple(places))
        for i, value in zip(places, self.received, strict=True):
            leaves[i] = value
        return tree_unflatten(leaves, structure)

    def _end(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        leaves = tree_leaves((args, kwargs))
        raise Left(tuple(leaves[i].contiguous() for i in self.cuts[self.index + 1].sent))


def cut(network: nn.Module, inputs: Inputs, stages: int) -> tuple[Order, list[Cut]]:
    """Find cuts of a network into stages of about the same number of operations.

    Every cut is tried on `inputs`, in eval mode, on a copy: the stages must give the outputs of the whole network.

    Raises:
        CellFailure: `unsupported`, where values pass by every place to cut the network.
    """
    whole = copy.deepcopy(network).eval()
    order, outputs = _traced(whole, inputs)
    cuts = [Cut()]
    for index in range(1, stages):
        found = (_tried(whole, order, name, inputs, outputs) for name in _candidates(order, cuts[-1], index, stages))
        if (best := next((place for place in found if place), None)) is None:
            why = f"{type(network).__name__} has no place to cut it into {stages} stages with enough work each"
            raise CellFailure("unsupported", f"{why} that no values pass by: use ddp or fsdp")
        cuts.append(best)
    return order, cuts


def _traced(network: nn.Module, inputs: Inputs) -> tuple[Order, Any]:
    order, counter = Order(), FlopCounterMode(display=False)

    def note(name: str, *arguments: Any) -> None:
        order.calls.append(name)
        order.flops.append(counter.get_total_flops())
        order.sizes.append(sum(x.numel() for x in tree_leaves(arguments) if isinstance(x, Tensor)))

    handles = [
        module.register_forward_pre_hook(lambda _, *arguments, name=name: note(name, *arguments), with_kwargs=True)
        for name, module in network.named_modules()
    ]
    with counter:  # with gradients: without them, some modules take a fused path that calls no others
        outputs = network(*inputs)
    for handle in handles:
        handle.remove()
    order.total = counter.get_total_flops()
    return order, outputs


def _candidates(order: Order, after: Cut, index: int, stages: int) -> list[str]:
    """Return modules that are called once, the best places for a cut first.

    Best is a call before which the number of operations is nearest to `index` even shares. Among calls with the same
    number, the one with the smallest arguments comes first.
    """
    share = order.total / stages
    first, last = order.flops[order.place(after.module)] + LEAST * share, order.total - LEAST * (stages - index) * share
    found = zip(order.calls, order.flops, order.sizes, strict=True)
    useful = [call for call in found if order.calls.count(call[0]) == 1 and 0 < first <= call[1] <= last]
    return [name for name, *_ in sorted(useful, key=lambda call: (abs(call[1] - index * share), call[2]))]


def _tried(network: nn.Module, order: Order, name: str, inputs: Inputs, outputs: Any) -> Cut | None:
    """Return a cut at a module's call, or None where the two parts do not give the network's outputs."""
    try:
        begin = _part(network, order, name, (), 1).expected(inputs)
        first, second = (_part(network, order, name, begin, index) for index in (0, 1))
        # Received tensors are leaves of a graph, so a stage must not write into them: try it with leaves.
        sent = [x.detach().requires_grad_() for x in first(inputs=inputs)]
        same = _same(second(*sent, inputs=inputs), outputs)
    except Exception:  # code may fail in any way where it asks for values and there are only shapes
        return None
    trains = all(any(p.requires_grad for p in part.parameters()) for part in (first, second))
    return Cut(name, begin) if sent and same and trains else None


def _part(network: nn.Module, order: Order, name: str, sent: tuple[int, ...], index: int) -> Stage:
    return Stage(copy.deepcopy(network), order, [Cut(), Cut(name, sent)], index, torch.device("cpu"))


def _same(one: Any, other: Any) -> bool:
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
    return all(not isinstance(a, FakeTensor) and torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in pairs)


def _forget(network: nn.Module, foreign: Callable[[str], bool], device: torch.device) -> None:
    """Replace foreign parameters and buffers by tensors without values, which are no state of the network any more."""
    first: dict[int, str] = {}  # a tensor's first name decides its owner, where it has several names
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    for name, tensor in network.state_dict(keep_vars=True).items():
        if foreign(first.setdefault(id(tensor), name)):
            path, _, attribute = name.rpartition(".")
            module = network.get_submodule(path)
            with mode:
                shape_only = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
            delattr(module, attribute)
            setattr(module, attribute, shape_only)


def _finished(order: Order, start: str) -> list[str]:
    """Return the modules whose calls have ended when the module `start` is called."""
    before = Counter(order.calls[: order.place(start)])
    around = [start[:i] for i, letter in enumerate(start) if letter == "."]
    return [name for name, n in before.items() if name and name not in around and n == order.calls.count(name) == 1]


def _remembered(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a forward pass so that it runs once per set of shapes, where its results have shapes but no values."""
    results: dict[Any, Any] = {}

    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = tuple(x.shape if isinstance(x, Tensor) else x for x in tree_leaves((args, kwargs)))
        if key in results:
            return results[key]
        result = forward(*args, **kwargs)
        if all(isinstance(x, FakeTensor) for x in tree_leaves(result) if isinstance(x, Tensor)):
            results[key] = result
        return result

    return remembered
