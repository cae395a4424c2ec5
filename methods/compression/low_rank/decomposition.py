"""Decomposes a weight into thinner factors: truncated SVD of its matrix, or Tucker's decomposition of its channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from breakeven.errors import CellFailure

ROUNDING = 1e-5  # relative error that float32 adds


@dataclass(frozen=True)
class Truncation:
    """Rule for the number of singular values to keep: the share `ratio`, or as many as hold the share `energy`."""

    energy: float = 1.0
    ratio: float | None = None

    def rank(self, values: Tensor, cuts: int = 1) -> tuple[int, float]:
        """Return the number kept, and the share of the squared norm that is lost.

        Args:
            values: singular values, the largest first.
            cuts: number of truncations that share the loss which `energy` allows.
        """
        shares = values.square() / values.square().sum()
        if self.ratio is not None:
            rank = max(1, round(self.ratio * len(values)))
        else:
            rank = min(int((shares.cumsum(0) < 1 - (1 - self.energy) / cuts).sum()) + 1, len(values))
        return rank, shares[rank:].sum().item()


@dataclass(frozen=True)
class Form:
    """One way to divide a weight."""

    product: str  # the einsum that multiplies the factors, in the order of their calls, to the weight
    axes: tuple[tuple[int, ...], ...]  # for each factor, the axes that it slides over: 0 vertical, 1 horizontal
    divide: Callable[[Tensor, Truncation], tuple[list[Tensor], float]]  # gives the factors and the share of norm² lost


def decompose(weight: Tensor, form: Form, truncation: Truncation) -> list[Tensor]:
    """Return the factors of a weight, in the order of their calls.

    Raises:
        CellFailure: `method_error`, where their product is further from the weight than truncation explains.
    """
    factors, lost = form.divide(weight.double(), truncation)
    factors = [factor.to(weight.dtype) for factor in factors]
    product = torch.einsum(form.product, *(factor.double() for factor in factors))
    error = ((weight - product).norm() / weight.norm()).item()
    if error > lost**0.5 + ROUNDING:
        reason = f"factors miss a weight by {error:.3f} where truncation explains {lost**0.5:.3f}"
        raise CellFailure("method_error", f"{reason}: raise energy or ratio, or leave low_rank out here")
    return factors


def _channel(weight: Tensor, truncation: Truncation) -> tuple[list[Tensor], float]:
    left, right, lost = _svd(weight.flatten(1), truncation)
    return [right.unflatten(1, weight.shape[1:]), left], lost


def _spatial(weight: Tensor, truncation: Truncation) -> tuple[list[Tensor], float]:
    o, i, h, w = weight.shape
    left, right, lost = _svd(weight.permute(1, 2, 0, 3).reshape(i * h, o * w), truncation)
    return [left.view(i, h, -1).permute(2, 0, 1), right.view(-1, o, w).transpose(0, 1)], lost


def _tucker2(weight: Tensor, truncation: Truncation) -> tuple[list[Tensor], float]:
    from tensorly.decomposition import partial_tucker

    unfolded = [weight.flatten(1), weight.transpose(0, 1).flatten(1)]
    ranks, losses = zip(*(truncation.rank(torch.linalg.svdvals(x), cuts=2) for x in unfolded), strict=True)
    (core, factors), _ = partial_tucker(weight.numpy(), rank=ranks, modes=[0, 1])
    core, after, before = map(torch.from_numpy, (core, *factors))
    # It starts from the SVDs of both modes, whose loss is at most the sum of their losses, and only gets better.
    return [before.T, core, after], sum(losses)


def _svd(matrix: Tensor, truncation: Truncation) -> tuple[Tensor, Tensor, float]:
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    rank, lost = truncation.rank(s)
    root = s[:rank].sqrt()  # split evenly, so that both factors train at the same pace
    return u[:, :rank] * root, root[:, None] * v[:rank], lost


FORMS = {
    "channel": Form("ri...,or->oi...", ((0, 1), ()), _channel),
    "spatial": Form("rih,orw->oihw", ((0,), (1,)), _spatial),
    "tucker2": Form("ai,bahw,ob->oihw", ((), (0, 1), ()), _tucker2),
}
