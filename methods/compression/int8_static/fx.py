"""Quantises by FX graph mode, PyTorch's deprecated tool before PT2E."""

from __future__ import annotations

import io
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import Conv1d, Conv2d, Linear
from torch.ao.quantization import MinMaxObserver, PerChannelMinMaxObserver, QConfig, QConfigMapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.fx.proxy import TraceError
from torch.utils.flop_counter import register_flop_formula

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext

if TYPE_CHECKING:
    from . import Int8Static

KERNELS = ("conv1d", "conv1d_relu", "conv2d", "conv2d_relu", "conv2d_add", "conv2d_add_relu", "linear", "linear_relu")


def quantise(model: nn.Module, context: CompressionContext, how: Int8Static) -> nn.Module:
    """Return a quantised copy of the model.

    Raises:
        CellFailure: `unsupported`, where the model cannot be traced or has nothing to quantise.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecation
        try:
            observed = prepare_fx(deepcopy(model).eval(), _roundings(how), context.task.example_inputs(2))
        except (TraceError, TypeError) as error:
            said = str(error).strip().splitlines()[0]
            reason = f"FX cannot trace the model ({said[:200]}): use another backend"
            raise CellFailure("unsupported", reason) from error
        with torch.no_grad():
            for inputs, _ in context.training_samples(how.samples):
                observed(*inputs)
        network = convert_fx(observed)
    if not any(isinstance(module, (Conv1d, Conv2d, Linear)) for module in network.modules()):
        raise CellFailure("unsupported", "the model has no convolution or linear layer: leave the method out")
    for node in network.graph.nodes:
        node.type = None  # TorchScript does not know the types that annotate the model's `forward`
    network.recompile()
    return Scriptable(network).eval()


class Scriptable(nn.Module):
    """A quantised network that is saved as TorchScript, because quantised convolutions do not survive pickling."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the network."""
        return self.network(*inputs)

    def __getstate__(self) -> bytes:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecation
            torch.jit.save(torch.jit.script(self.network), file)
        return file.getvalue()

    def __setstate__(self, state: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecation
            network = torch.jit.load(io.BytesIO(state))
        self.__init__(network)  # type: ignore[misc]


def _roundings(how: Int8Static) -> QConfigMapping:
    most = 63 if how.reduce_range else 127
    if how.per_channel:
        weight = PerChannelMinMaxObserver.with_args(qscheme=torch.per_channel_symmetric)
    else:
        weight = MinMaxObserver.with_args(qscheme=torch.per_tensor_symmetric)
    weight = weight.with_args(dtype=torch.qint8, quant_min=-most, quant_max=most)
    return QConfigMapping().set_global(QConfig(MinMaxObserver.with_args(dtype=torch.quint8), weight))


# Without this formula, torch counts the operators of a quantised network as nothing.
@register_flop_formula([getattr(torch.ops.quantized, name) for name in KERNELS], get_raw=True)
def _flops(source: Tensor, packed: Any, *_: Any, out_val: Tensor, **__: Any) -> int:
    packed = next(p for p in (packed, *_) if hasattr(p, "unpack"))  # it follows the summand, if there is one
    weight = packed.unpack()[0]
    return 2 * out_val.numel() * weight.numel() // len(weight)
