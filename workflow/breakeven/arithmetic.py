"""Arithmetic of a model, counted by torch so that no layer is missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_flops(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[int, int]:
    """Floating-point operations of one call, 2 per multiply-add; and those left if weights of zero cost nothing.

    The model is counted as if it computed in float32: quantised layers are put back, and fused kernels, which torch
    2.14 counts as nothing on a CPU, are taken apart. The second figure is the multiply-adds of Blalock et al. 2020
    ("What is the state of neural network pruning?", arXiv:2003.03033): what sparse kernels could save at best.

    Args:
        inputs: of the call; with a batch of one, the figures are those of a sample.
    """
    plain = _in_float(deepcopy(model)).eval()
    with _taken_apart(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        plain(*inputs)
    total = counter.get_total_flops()
    by_module = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    root = type(plain).__name__
    skipped = sum(by_module.get(f"{root}.{name}" if name else root, 0) * zeros for name, zeros in _zeros(plain))
    return total, round(total - skipped)


def _zeros(model: nn.Module) -> Iterator[tuple[str, float]]:
    """The layers that have weights of their own, and the share of these that is zero."""
    for name, module in model.named_modules():
        weights = [p for p in module.parameters(recurse=False) if p.dim() > 1]
        if weights and not isinstance(module, nn.Embedding):
            nonzero = sum(int(torch.count_nonzero(w)) for w in weights)
            yield name, 1 - nonzero / sum(w.numel() for w in weights)


@contextmanager
def _taken_apart() -> Iterator[None]:
    """Attention as matrix products, recurrent and encoder layers as their parts."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _in_float(model: nn.Module) -> nn.Module:
    """The model with float32 layers in place of dynamically quantised ones."""
    if (layer := _float_layer(model)) is not None:
        return layer
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
        return kind(module.input_size, module.hidden_size, **{name: getattr(module, name) for name in how})
    return None
