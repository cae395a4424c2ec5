"""Channel pruning: whole channels of least weight are cut out, so the model is smaller and faster on any kernel.

Reference: Fang et al. 2023, "DepGraph: towards any structural pruning", arXiv:2301.12900, as torch-pruning does it:
layers whose channels depend on each other are pruned together, by the norm of all their weights. Every layer loses the
share `ratio` of its outputs, so a convolution keeps about (1 - ratio)² of its multiplications. In a transformer the
feed-forward width and the size of the attention heads shrink; their number and the width between layers stay.
Limits: attention is known as Hugging Face's BERT and timm write it; models with recurrent layers are refused.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ChannelPruning(CompressionMethod):
    """Removes the share `ratio` of the channels of every layer, then fine-tunes."""

    reference: ClassVar[str] = "arXiv:2301.12900"

    ratio: float = Field(0.5, gt=0, lt=1, description="share of each layer's channels removed")
    fine_tuning: float = Field(0.25, ge=0, description="share of the task's training epochs, run again")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        pruned = deepcopy(model).eval()
        _prune(pruned, self.ratio, context.task.example_inputs(2))
        if self.fine_tuning:
            context.fine_tune(pruned, self.fine_tuning * context.task.recipe.epochs)
        return pruned.eval()


def _prune(model: nn.Module, ratio: float, inputs: tuple[Tensor, ...]) -> None:
    import torch_pruning as tp
    from torch.nn import Embedding, LayerNorm, RNNBase

    if any(isinstance(m, RNNBase) for m in model.modules()):
        raise CellFailure("unsupported", "channels cannot be followed through recurrent layers: leave it out here")
    between = [m for m in model.modules() if isinstance(m, (Embedding, LayerNorm))]  # a transformer's layers
    pruner = tp.pruner.BasePruner(
        model,
        inputs,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[*_last_layer(model, inputs), *between],
        num_heads=_heads(model),
        in_channel_groups={},  # the defaults are dicts that all pruners share
        out_channel_groups={},
    )
    pruner.step()
    if not pruner.pruning_history():
        raise CellFailure("unsupported", f"no layer has channels to remove at ratio {ratio:g}: raise it")
    for module in model.modules():
        _resize_attention(module)


def _last_layer(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[nn.Module]:
    """The linear or convolution layer that is called last: its outputs are the model's."""
    import torch
    from torch import nn

    called: list[nn.Module] = []
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    hooks = [layer.register_forward_hook(lambda module, *_: called.append(module)) for layer in layers]
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return called[-1:]


def _heads(model: nn.Module) -> dict[nn.Module, int]:
    """The projections of attention layers with their number of heads."""
    found: dict[nn.Module, int] = {}
    for module in model.modules():
        if hasattr(module, "num_attention_heads"):  # Hugging Face
            found |= dict.fromkeys((module.query, module.key, module.value), module.num_attention_heads)
        elif hasattr(module, "qkv"):  # timm
            module.fused_attn = False  # it hides the dependencies, and scales by the new size of the heads
            found[module.qkv] = module.num_heads
    return found


def _resize_attention(module: nn.Module) -> None:
    """Tell an attention layer the new size of its heads; the scale of its scores stays that of its weights."""
    if hasattr(module, "num_attention_heads"):
        module.all_head_size = module.query.out_features
        module.attention_head_size = module.all_head_size // module.num_attention_heads
    elif hasattr(module, "qkv"):
        module.attn_dim = module.qkv.out_features // 3
        module.head_dim = module.attn_dim // module.num_heads
