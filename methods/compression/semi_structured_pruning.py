"""2:4 pruning: among every four neighbouring inputs of a layer, the two smallest weights become zero. Then the other
weights are fine-tuned. GPUs with sparse tensor cores multiply such matrices at up to twice the speed.

Reference: Mishra et al. 2021, "Accelerating sparse deep neural networks", arXiv:2104.08378: prune once by magnitude,
then train on with the zeros held.
Limits: only the runtime `eager_sparse` uses the pattern, on NVIDIA GPUs from Ampere on; elsewhere zeros are multiplied
like any number. The method prunes linear layers, attention's projections and ungrouped convolutions whose number of
inputs is a multiple of four; it leaves recurrent layers and embeddings alone.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class SemiStructuredPruning(CompressionMethod):
    """Zeroes two of every four weights along a layer's inputs."""

    reference: ClassVar[str] = "arXiv:2104.08378"
    changes: ClassVar[Change] = "zeros"

    fine_tuning: float = Field(
        0.25, ge=0, description="share of the task's training epochs, run again while zeros stay zero"
    )

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        pruned = deepcopy(model)
        weights = _weights(pruned)
        if not weights:
            raise CellFailure("unsupported", "no layer's inputs are a multiple of four: leave the method out")
        for weight in weights:
            weight.data *= two_of_four(weight.detach())
        if self.fine_tuning:
            context.fine_tune(pruned, self.fine_tuning * context.task.recipe.epochs)
        return pruned.eval()


def two_of_four(weight: Tensor) -> Tensor:
    """Return 1 for the two largest weights of every four along the inputs (dimension 1), 0 for the others."""
    import torch

    inputs_last = weight.movedim(1, -1)
    fours = inputs_last.abs().reshape(-1, 4)
    mask = torch.zeros_like(fours).scatter_(1, fours.topk(2, dim=1).indices, 1)
    return mask.view(inputs_last.shape).movedim(-1, 1)


def _weights(model: nn.Module) -> list[nn.Parameter]:
    from torch import nn

    found: list[nn.Parameter] = []
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found.append(module.in_proj_weight)
        elif isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) and getattr(module, "groups", 1) == 1:
            found.append(cast(nn.Parameter, module.weight))
    return [weight for weight in found if weight.shape[1] % 4 == 0]
