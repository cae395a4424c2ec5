"""Arithmetic of a model, counted by torch's own formulas so that no layer is missed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
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
    """Floating-point operations of one call, 2 per multiply-add; and those left if weights of zero cost nothing.

    The model is counted as if it computed in float32: quantised layers are put back, and fused kernels, which torch
    2.14 counts as nothing on a CPU, are taken apart. The second figure is the multiply-adds of Blalock et al. 2020
    ("What is the state of neural network pruning?", arXiv:2003.03033): what sparse kernels could save at best.

    Args:
        inputs: of the call; with a batch of one, the figures are those of a sample.
    """
    plain = _in_float(deepcopy(model)).float().eval()
    with _taken_apart(), torch.no_grad(), _Counter(plain) as counter:
        plain(*inputs)
    return counter.total, round(counter.nonzero)


class _Counter(TorchDispatchMode):
    """Adds up the operators of a call. `FlopCounterMode` adds up modules, which are not what weights belong to:
    attention multiplies with its own and its output layer's without calling that, and with none in between.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.total, self.nonzero = 0, 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
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

    def _share(self, factor: Any) -> float:
        """Of an operand that is not zero, where it is a weight or a part of one; else all of it."""
        if not isinstance(factor, Tensor) or factor.dim() < 2:
            return 1.0
        if factor.untyped_storage().data_ptr() not in self.weights:
            return 1.0
        return int(torch.count_nonzero(factor)) / max(1, factor.numel())


@contextmanager
def _taken_apart() -> Iterator[None]:
    """Attention as matrix products, recurrent and encoder layers as their parts."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the flags of oneDNN are set through an interface that torch itself deprecates
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _in_float(model: nn.Module) -> nn.Module:
    """The model with float32 layers in place of dynamically quantised ones, and plain weights of packed ones."""
    if (layer := _float_layer(model)) is not None:
        return layer
    for name, parameter in model.named_parameters(recurse=False):
        if is_traceable_wrapper_subclass(parameter):  # such as torchao's
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
        layers.load_state_dict(weights, strict=False)  # biases stay new: they are added, never multiplied
        return layers
    return None
