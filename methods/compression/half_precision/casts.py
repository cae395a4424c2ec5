"""Casts before and after a network in 16 bits.

They are hooks, so that the network keeps its class, its signature and the names of its weights. Saved files name these
functions by their path.
"""

from torch import Tensor, nn


def cast_in(network: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    """Cast floating-point inputs to the type of the weights; leave others as they are."""
    dtype = next(p.dtype for p in network.parameters() if p.is_floating_point())
    return tuple(x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)


def cast_out(network: nn.Module, inputs: tuple[object, ...], outputs: Tensor) -> Tensor:
    """Cast outputs to float32."""
    return outputs.float()
