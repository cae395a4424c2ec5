"""Weight sharing: the weights of each layer are rounded to a few shared values, which k-means finds. Fine-tuning moves
all weights that share a value together. Zeros stay zeros and count as one of the values.

Reference: Han et al. 2016, "Deep compression: compressing deep neural networks with pruning, trained quantization and
Huffman coding", arXiv:1510.00149. Values start evenly between a layer's least and greatest weight, the start that the
paper found best, and each value is trained by the sum of its weights' gradients.
Limits: the file still holds float32 numbers, and nothing gets faster. The saving shows in `packed_bytes`, because
repeated values and zeros pack well. The method changes linear, convolution, recurrent and embedding layers; it leaves
biases, normalisation and layers with fewer weights than values alone.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import CellFailure
from breakeven.method import Change, CompressionContext, CompressionMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

ROUNDS = 20  # iterations of k-means; it has all but converged by then


@dataclass(frozen=True)
class WeightSharing(CompressionMethod):
    """Rounds the weights of each layer to 2 to the power of `bits` shared values."""

    reference: ClassVar[str] = "arXiv:1510.00149"
    changes: ClassVar[Change] = "values"

    bits: int = Field(4, ge=1, le=8, description="each layer's weights share two to the power of this many values")
    fine_tuning: float = Field(
        0.25, ge=0, description="share of the task's training epochs, run again while weights of one value stay equal"
    )

    def compress(self, model: nn.Module, context: CompressionContext) -> nn.Module:
        shared = deepcopy(model)
        codes = {p: share(p, 2**self.bits) for p in shared.parameters() if p.dim() > 1 and p.numel() > 2**self.bits}
        if not codes:
            raise CellFailure("unsupported", f"no layer has more than {2**self.bits} weights: lower `bits`")
        if self.fine_tuning:
            hooks = [p.register_hook(lambda g, code=code: _summed(g, code)) for p, code in codes.items()]
            context.fine_tune(shared, self.fine_tuning * context.task.recipe.epochs)
            for hook in hooks:
                hook.remove()
            for parameter, code in codes.items():
                _unite(parameter, code)
        return shared.eval()


def share(weight: nn.Parameter, values: int) -> Tensor:
    """Round the weights in place to this many values; return the index of each weight's value, in the weight's shape.

    Index 0 is zero. It counts as one of the values where the weight has zeros.
    """
    import numpy as np
    import torch

    flat = weight.detach().flatten().numpy()
    zero = flat == 0
    centres = k_means(np.sort(flat[~zero]), values - bool(zero.any()))
    codes = np.where(zero, 0, 1 + np.searchsorted(_borders(centres), flat))
    table = np.concatenate([[0], centres]).astype(np.float32)
    weight.data.copy_(torch.from_numpy(table[codes]).view_as(weight))
    return torch.from_numpy(codes).view_as(weight)


def k_means(ordered: np.ndarray, clusters: int) -> np.ndarray:
    """Return the centres of clusters of sorted numbers, ascending; an empty cluster keeps its first centre.

    In one dimension a cluster is a run of neighbours, and running sums give its mean. scipy's `kmeans2` finds the same
    centres, but needs minutes for a vocabulary's embeddings.
    """
    import numpy as np

    sums = np.concatenate([[0], np.cumsum(ordered, dtype=np.float64)])
    centres = np.linspace(ordered[0], ordered[-1], clusters) if len(ordered) else np.zeros(0)
    for _ in range(ROUNDS):
        ends = np.concatenate([[0], np.searchsorted(ordered, _borders(centres)), [len(ordered)]])
        members = np.diff(ends)
        centres = np.where(members, np.diff(sums[ends]) / np.maximum(members, 1), centres)
    return centres


def _borders(centres: np.ndarray) -> np.ndarray:
    return (centres[1:] + centres[:-1]) / 2


def _summed(gradient: Tensor, codes: Tensor) -> Tensor:
    """Return for each weight the summed gradient of all weights that share its value, so that they stay equal."""
    codes = codes.to(gradient.device)
    sums = gradient.new_zeros(int(codes.max()) + 1).index_add_(0, codes.flatten(), gradient.flatten())
    return sums[codes]


def _unite(weight: nn.Parameter, codes: Tensor) -> None:
    """Make weights that share a value equal again, in place, after rounding errors of training."""
    import torch

    members, values = codes.flatten(), weight.data.double().flatten()
    sums = torch.zeros(int(codes.max()) + 1, dtype=torch.float64).index_add_(0, members, values)
    weight.data.copy_((sums / members.bincount().clamp(min=1))[codes])
