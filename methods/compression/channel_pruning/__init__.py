"""Channel pruning: removes the channels that matter least from every layer, so the model is smaller and faster on any
kernel. In recurrent layers it removes hidden units; in a transformer, feed-forward units and parts of the heads.

Reference: Fang et al. 2023, "DepGraph: towards any structural pruning", arXiv:2301.12900, as torch-pruning does it:
layers whose channels depend on each other are pruned together, by their weights' norms (Li et al. 2017,
arXiv:1608.08710) or by a first-order estimate of each weight's effect on the loss (Molchanov et al. 2019,
arXiv:1906.10771). A convolution keeps about (1 - ratio)² of its multiplications.
Limits: attention is pruned only as Hugging Face's BERT and timm write it; the width between a transformer's layers
stays. In a model with recurrent layers, only GRU and LSTM layers are pruned. All layers of a stack lose the same share,
and the layers that read their outputs find zeros in place of removed units. With `scope=model`, a layer loses about
0.9 of its channels at most. A layer that would lose all its channels, as `round_to` can demand, stays whole.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod, Teaching

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ChannelPruning(CompressionMethod):
    """Removes the share `ratio` of the channels, then fine-tunes."""

    reference: ClassVar[str] = "arXiv:2301.12900"
    changes: ClassVar[Change] = "layers"

    ratio: float = Field(0.5, gt=0, lt=1, description="share of the channels removed")
    importance: Literal["l1", "l2", "taylor"] = Field(
        "l2", description="measure of a channel's worth: a norm of its weights, or the change of the loss without it"
    )
    samples: int = Field(256, ge=1, description="training samples whose loss is differentiated, for taylor")
    scope: Literal["layer", "model"] = Field(
        "layer", description="scope of the share: every layer alone, or the whole model by one threshold"
    )
    heads: Literal["size", "number"] = Field(
        "size", description="part that attention loses: the least channels of each head, or whole heads"
    )
    round_to: int = Field(1, ge=1, description="round channels down to a multiple of it; kernels favour 8 and 16")
    fine_tuning: float = Field(0.25, ge=0, description="share of the task's training epochs, run again")
    rate: float = Field(0.3, gt=0, description="share of the recipe's learning rate in fine-tuning")
    teacher: bool = Field(False, description="fine-tune also on the outputs of the model before pruning")

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        from .channels import prune
        from .importance import gradients
        from .recurrent import is_recurrent, shrink

        pruned = deepcopy(model).eval()
        if self.importance == "taylor":
            gradients(pruned, context.task.loss, context.training_samples(self.samples))
        if any(map(is_recurrent, pruned.modules())):
            pruned, removed = shrink(pruned, self)
        else:
            removed = prune(pruned, context.task.example_inputs(2), self)
        if not removed:
            raise CellFailure("unsupported", f"no layer has channels to remove at ratio {self.ratio:g}: raise it")
        pruned.zero_grad()
        if self.fine_tuning:
            teaching = Teaching(deepcopy(model)) if self.teacher else None
            epochs = self.fine_tuning * context.task.recipe.epochs
            context.fine_tune(pruned, epochs, rate=self.rate, teaching=teaching)
        return pruned.eval()
