"""Layers split by channels over the processes, as styles of torch's `parallelize_module`.

torch's own styles split dense layers only, neither convolutions nor matrices of several parts.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any, cast

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.parallel import ParallelStyle

from breakeven.components.serving_ranks import Rank

Mesh = DeviceMesh | Rank  # the processes of a training, or those that serve a model


class Slice(ParallelStyle):
    """Slices a layer's tensors: its parameters, and batch normalisation's statistics.

    In the layer's state, each slice is a `DTensor`, from which torch gathers the whole tensor.

    Args:
        dim: the dimension of the channels; tensors without this dimension stay whole.
        parts: the number of matrices that lie behind one another along `dim`; each of them is sliced.
    """

    def __init__(self, dim: int = 0, parts: int = 1) -> None:
        self.dim, self.parts = dim, parts

    def _apply(self, module: nn.Module, device_mesh: Mesh) -> nn.Module:
        self.mesh = device_mesh
        for _, tensor in self._sliced(module):
            own = self._apart(tensor.data).chunk(self.mesh.size(), self.dim + 1)[self.mesh.get_local_rank()]
            tensor.data = own.flatten(self.dim, self.dim + 1).clone()
        if (groups := getattr(module, "groups", 1)) > 1:
            cast(nn.Conv2d, module).groups = groups // self.mesh.size()
        module.register_state_dict_post_hook(
            partial(self._describe)
        )  # torch sets an attribute on it, which a method refuses
        return module

    def _sliced(self, module: nn.Module) -> list[tuple[str, Tensor]]:
        own = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        return [(name, tensor) for name, tensor in own if tensor.dim() > self.dim]

    def _apart(self, tensor: Tensor) -> Tensor:
        return tensor.unflatten(self.dim, (self.parts, -1))

    def _describe(self, module: nn.Module, state: dict[str, Tensor], prefix: str, _: object) -> None:
        mesh = cast(DeviceMesh, self.mesh)  # the state is asked for in trainings only
        for name, tensor in self._sliced(module):
            placed = DTensor.from_local(self._apart(tensor.detach()), mesh, [Shard(self.dim + 1)], run_check=False)
            state[prefix + name] = placed.flatten(self.dim, self.dim + 1)


class Columns(Slice):
    """Splits a layer by its outputs: from whole inputs, it makes some of the channels."""

    def _apply(self, module: nn.Module, device_mesh: Mesh) -> nn.Module:
        _sum_gradients(module, device_mesh)
        return super()._apply(module, device_mesh)


class Rows(Slice):
    """Splits a layer by its inputs: it takes some of the channels, and its partial results are summed."""

    def __init__(self) -> None:
        super().__init__(dim=1)

    def _apply(self, module: nn.Module, device_mesh: Mesh) -> nn.Module:
        module.register_forward_hook(lambda module, _, outputs: _merged(module, outputs, device_mesh))
        return super()._apply(module, device_mesh)


class Heads(ParallelStyle):
    """Splits attention by heads: its layers make some of them.

    Args:
        counts: names of the attributes that count heads or their channels.
    """

    def __init__(self, counts: tuple[str, ...]) -> None:
        self.counts = counts

    def _apply(self, module: nn.Module, device_mesh: Mesh) -> nn.Module:
        for name in self.counts:
            setattr(module, name, getattr(module, name) // device_mesh.size())
        _sum_gradients(module, device_mesh)
        return module


def _sum_gradients(module: nn.Module, mesh: Mesh) -> None:
    """Sum the gradient of the first input over the processes; each process has the part of its own channels."""
    if not isinstance(mesh, DeviceMesh):
        return

    def entered(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = DTensor.from_local(inputs[0], mesh, [Replicate()], run_check=False)
        return x.to_local(grad_placements=[Partial()]), *inputs[1:]

    module.register_forward_pre_hook(entered)


def _merged(layer: nn.Module, outputs: Tensor, mesh: Mesh) -> Tensor:
    """Return the sum of the outputs over the processes, with the bias, which each process has added, only once."""
    whole = _summed(outputs, mesh)
    bias = cast("Tensor | None", layer.bias)
    if bias is None:
        return whole
    places = 0 if isinstance(layer, nn.Linear) else outputs.dim() - 2  # dimensions behind the channels'
    return whole - (mesh.size() - 1) * bias.detach().view(-1, *[1] * places)


def _summed(outputs: Tensor, mesh: Mesh) -> Tensor:
    if not isinstance(mesh, DeviceMesh):
        return mesh.sum(outputs)
    partial = DTensor.from_local(outputs, mesh, [Partial()], run_check=False)
    return partial.redistribute(placements=[Replicate()]).to_local()
