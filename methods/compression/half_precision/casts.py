"""What stands before and after a network in 16 bits. Hooks, so that it keeps its class, its signature and the names of
its weights; saved files name these functions.
"""

from typing import Any

from torch import Tensor, nn


def cast_in(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Floating-point inputs in the type of the weights."""
    dtype = next(p.dtype for p in network.parameters() if p.is_floating_point())
    return tuple(x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)


def cast_out(network: nn.Module, inputs: tuple[Any, ...], outputs: Tensor) -> Tensor:
    """Outputs in float32."""
    return outputs.float()
