"""Removes channels of layers that are not recurrent, by torch-pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from breakeven.errors import CellFailure

if TYPE_CHECKING:
    from . import ChannelPruning

STEPS = 10  # with one threshold for the model: each step ranks channels anew and leaves out layers at MOST
MOST = 0.9  # about the largest share of a layer's channels that one threshold for the model may remove


def prune(model: nn.Module, inputs: tuple[Tensor, ...], method: ChannelPruning) -> bool:
    """Remove channels in place; return whether any was removed.

    Raises:
        CellFailure: `unsupported`, where torch-pruning cannot follow the channels.
    """
    between = [
        m for m in model.modules() if isinstance(m, (nn.Embedding, nn.LayerNorm))
    ]  # around a transformer's layers
    steps, whole = STEPS if method.scope == "model" else 1, method.heads == "number"
    try:
        pruner = tp.pruner.BasePruner(
            model,
            inputs,
            importance=_importance(method.importance),
            pruning_ratio=method.ratio,
            global_pruning=method.scope == "model",
            iterative_steps=steps,
            max_pruning_ratio=MOST if method.scope == "model" else 1.0,
            round_to=method.round_to,
            ignored_layers=[*_last_layer(model, inputs), *between],
            num_heads=_heads(model),
            prune_num_heads=whole,
            prune_head_dims=not whole,
            head_pruning_ratio=method.ratio if whole else 0.0,
            in_channel_groups={},  # by default all pruners share the same two dicts
            out_channel_groups={},
        )
    except TypeError as error:  # its arithmetic fails on channels that an operator splits
        raise CellFailure(
            "unsupported", f"torch-pruning cannot follow the channels ({error}): leave the method out"
        ) from error
    pruner.per_step_head_pruning_ratio[:-1] = [0.0] * steps  # all in the last: a step without heads to remove fails
    for _ in range(steps):
        pruner.step()
    for module in model.modules():
        _resize_attention(module, whole)
    return bool(pruner.pruning_history())


def _importance(name: str) -> tp.importance.Importance:
    if name == "taylor":
        return tp.importance.GroupTaylorImportance()
    return tp.importance.GroupMagnitudeImportance(p=1 if name == "l1" else 2)


def _last_layer(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[nn.Module]:
    """Return the linear or convolution layer that is called last: its outputs are the model's."""
    called: list[nn.Module] = []
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    hooks = [layer.register_forward_hook(lambda module, *_: called.append(module)) for layer in layers]
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return called[-1:]


def _heads(model: nn.Module) -> dict[nn.Module, int]:
    """Return the projections of attention layers, each with its number of heads."""
    found: dict[nn.Module, int] = {}
    module: Any  # torch types a layer's attributes as tensors or modules, which many are not
    for module in model.modules():
        if hasattr(module, "num_attention_heads"):  # Hugging Face
            found |= dict.fromkeys((module.query, module.key, module.value), module.num_attention_heads)
        elif hasattr(module, "qkv"):  # timm
            module.fused_attn = False  # it hides dependencies, and would scale by the heads' new size
            found[module.qkv] = module.num_heads
    return found


def _resize_attention(module: Any, whole: bool) -> None:
    """Set an attention layer's new number of heads, or their new size; the scale of its scores stays as trained."""
    if hasattr(module, "num_attention_heads"):
        module.all_head_size = width = module.query.out_features
        number, size = "num_attention_heads", "attention_head_size"
    elif hasattr(module, "qkv"):
        module.attn_dim = width = module.qkv.out_features // 3
        number, size = "num_heads", "head_dim"
    else:
        return
    changed, fixed = (number, size) if whole else (size, number)
    setattr(module, changed, width // getattr(module, fixed))
