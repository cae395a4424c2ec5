"""Low-rank factorisation: replaces a layer by two or three thinner layers whose product is close to it. The rank is
chosen for each layer: by the share of the weights' energy to keep, or as a share of the full rank.

Reference: Zhang et al. 2015, arXiv:1505.06798, on the weights alone, for `channel`: a k×k convolution becomes k×k to
the rank, then 1×1. For `spatial`, k×1 and then 1×k: Jaderberg et al. 2014, arXiv:1405.3866. For `tucker2`, 1×1, k×k and
1×1: Kim et al. 2016, arXiv:1511.06530. For embeddings: ALBERT, Lan et al. 2020, arXiv:1909.11942.

Limits: layers that would not get cheaper stay whole, as do grouped convolutions and recurrent layers. Cheaper means
fewer multiplications; two thin layers may still take longer than one. Factorised embeddings save only bytes, and cost
multiplications.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod, Teaching

if TYPE_CHECKING:
    from torch import nn

ENERGY = 0.8


@dataclass(frozen=True)
class LowRank(CompressionMethod):
    """Factorises linear and convolution layers, then fine-tunes."""

    reference: ClassVar[str] = "arXiv:1505.06798"
    changes: ClassVar[Change] = "layers"

    energy: float = Field(ENERGY, gt=0, le=1, description="share of the squared singular values kept, per layer")
    ratio: float | None = Field(None, gt=0, lt=1, description="share of each layer's full rank; in place of energy")
    convolution: Literal["channel", "spatial", "tucker2"] = Field(
        "channel", description="factors of k×k: k×k, 1×1 (channel); k×1, 1×k (spatial); 1×1, k×k, 1×1 (tucker2)"
    )
    embeddings: bool = Field(False, description="factorise embedding tables too")
    fine_tuning: float = Field(0.25, ge=0, description="share of the task's training epochs, run again")
    teacher: bool = Field(False, description="fine-tune also on the outputs of the given model")

    @field_validator("ratio")
    @classmethod
    def _alone(cls, ratio: float | None, given: ValidationInfo) -> float | None:
        if ratio is not None and given.data.get("energy") != ENERGY:
            raise ValueError("it takes the place of 'energy': leave one of the two out")
        return ratio

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        thin = deepcopy(model)
        if not self._replace(thin):
            share = f"energy {self.energy:g}" if self.ratio is None else f"ratio {self.ratio:g}"
            raise CellFailure("unsupported", f"no layer gets cheaper at {share}: lower it")
        if self.fine_tuning:
            teaching = Teaching(deepcopy(model).requires_grad_(False)) if self.teacher else None
            context.fine_tune(thin, self.fine_tuning * context.task.recipe.epochs, teaching=teaching)
        return thin.eval()

    def _replace(self, model: nn.Module) -> int:
        """Replace layers by factors that are cheaper, in place; return the number of layers replaced."""
        from torch import nn

        from .decomposition import Truncation
        from .factors import cost, factorise

        # No subclasses: their weights may be read without a call, as nn.MultiheadAttention reads its projection's.
        kinds = {nn.Linear, nn.Conv1d, nn.Conv2d, *([nn.Embedding] if self.embeddings else [])}
        truncation, replaced = Truncation(self.energy, self.ratio), 0
        for parent in list(model.modules()):
            if isinstance(parent, nn.TransformerEncoderLayer):
                parent.activation_relu_or_gelu = 0  # its fused path would read its linear layers' weights
            for name, layer in list(parent.named_children()):
                if type(layer) not in kinds or getattr(layer, "groups", 1) > 1 or getattr(layer, "max_norm", None):
                    continue
                factors = factorise(layer, truncation, self.convolution)
                if cost(*factors) < cost(layer):
                    setattr(parent, name, factors)
                    replaced += 1
        return replaced
