"""Counts a model's arithmetic by torch's own formulas for operators, so that no layer is missed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def count_flops(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[int, int]:
    """Count the floating-point operations of one call, 2 per multiply-add.

    The model is counted as if it computed in float32. Quantised layers are turned back into float32 layers. Fused
    kernels are split into their parts, because torch 2.14 counts them as nothing on a CPU. The second count is the
    multiply-adds of Blalock et al. 2020 ("What is the state of neural network pruning?", arXiv:2003.03033).

    Args:
        model: on the CPU; it stays as it is.
        inputs: the inputs of the call; with a batch of one, the counts are per sample.

    Returns:
        All operations, and those left if weights of zero cost nothing: the most that sparse kernels could save.
    """
    plain = _in_float(deepcopy(model)).float().eval()
    with _split_kernels(), torch.no_grad(), _Counter(plain) as counter:
        plain(*inputs)
    return counter.total, round(counter.nonzero)


class _Counter(TorchDispatchMode):
    """Adds up the operators of a call.

    torch's `FlopCounterMode` adds up modules, but a weight need not belong to the module that is called: attention
    multiplies by the weight of its output layer and never calls that layer.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.total, self.nonzero = 0, 0.0

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        operator, kwargs = func.overloadpacket, kwargs or {}
        if operator not in flop_registry:
            with self:  # in inference mode, composite operators arrive here whole
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        out = func(*args, **kwargs)
        flops = flop_registry[operator](*args, **kwargs, out_val=out)
        factors = args[1:] if operator in (aten.addmm, aten.baddbmm) else args
        self.total += flops
        self.nonzero += flops * min(map(self._share, factors))
        return out

    def _share(self, factor: object) -> float:
        """Return the share of an operand that is not zero, where it is a weight or a part of one; else 1."""
        if not isinstance(factor, Tensor) or factor.dim() < 2:
            return 1.0
        if factor.untyped_storage().data_ptr() not in self.weights:
            return 1.0
        return int(torch.count_nonzero(factor)) / max(1, factor.numel())


@contextmanager
def _split_kernels() -> Iterator[None]:
    """Run attention as matrix products, and recurrent and encoder layers as their parts."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the interface that sets oneDNN's flags
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _in_float(model: nn.Module) -> nn.Module:
    """Replace dynamically quantised layers by float32 layers, and packed weights by plain ones."""
    if (layer := _float_layer(model)) is not None:
        return layer
    for name, parameter in model.named_parameters(recurse=False):
        if is_traceable_wrapper_subclass(parameter):  # such as torchao's packed weights
            setattr(model, name, nn.Parameter(parameter.dequantize()))
    for name, child in model.named_children():
        setattr(model, name, _in_float(child))
    return model


def _float_layer(module: nn.Module) -> nn.Module | None:
    if isinstance(module, dynamic.Linear):
        layer = nn.Linear(module.in_features, module.out_features, bias=module.bias() is not None)
        layer.weight = nn.Parameter(module.weight().dequantize())
        return layer
    if isinstance(module, (dynamic.GRU, dynamic.LSTM)):
        kind = nn.GRU if isinstance(module, dynamic.GRU) else nn.LSTM
        how = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
        layers = kind(module.input_size, module.hidden_size, **{name: getattr(module, name) for name in how})
        weights = {name: weight.dequantize() for name, weight in module.get_weight().items()}
        layers.load_state_dict(weights, strict=False)  # new biases will do: a bias is added, never multiplied
        return layers
    return None
