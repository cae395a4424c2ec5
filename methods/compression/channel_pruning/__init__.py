"""Channel pruning: the channels that matter least are cut out of every layer, so the model is smaller and faster on
any kernel. In recurrent layers these are the hidden units, in a transformer the feed-forward width and the heads.

Reference: Fang et al. 2023, "DepGraph: towards any structural pruning", arXiv:2301.12900, as torch-pruning does it:
layers whose channels depend on each other are pruned together, by their weights' norms (Li et al. 2017,
arXiv:1608.08710) or by a first-order estimate of what each adds to the loss (Molchanov et al. 2019, arXiv:1906.10771).
A convolution keeps about (1 - ratio)² of its multiplications.
Limits: attention is known as Hugging Face's BERT and timm write it; the width between a transformer's layers stays. Of
a model with recurrent layers only its GRU and LSTM layers are pruned, all layers of a stack by the same share, and
whatever reads their outputs finds zeros where units were. With `scope=model` about .9 of a layer's channels go at
most. A layer that would be left without any channel, as `round_to` can ask, stays whole.
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
        "l2", description="what a channel is worth: a norm of its weights, or how much the loss would change without it"
    )
    samples: int = Field(256, ge=1, description="training samples whose loss is differentiated; for taylor alone")
    scope: Literal["layer", "model"] = Field(
        "layer", description="where the share holds: in every layer, or in the whole model by one threshold"
    )
    heads: Literal["size", "number"] = Field(
        "size", description="what attention loses: the least part of each head, or whole heads"
    )
    round_to: int = Field(1, ge=1, description="channels are rounded down to a multiple of it: kernels like 8 and 16")
    fine_tuning: float = Field(0.25, ge=0, description="share of the task's training epochs, run again")
    rate: float = Field(0.3, gt=0, description="share of the recipe's learning rate in fine-tuning")
    teacher: bool = Field(False, description="whether fine-tuning also learns from the outputs of the model as it was")

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
