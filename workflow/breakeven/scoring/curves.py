"""Chains that differ in one value: together they show what a method gives as it compresses more.

A point alone hides how a method behaves, and methods compared at different points tell little about either (Blalock et
al. 2020, "What is the state of neural network pruning?", arXiv:2003.03033).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from breakeven.protocol import REFERENCE
from breakeven.scoring.ratios import KEY, succeeded

SWEPT = "…"  # stands for the value that differs
Place = tuple[int, str, str]  # a step's number, a parameter's name, and the chain as it is without that value


@dataclass(frozen=True)
class Curve:
    """Rows of one board whose chains differ in the value of one parameter of one step."""

    chain: str  # as the board spells it, with `…` for the value
    step: str  # the method whose parameter it is
    parameter: str
    rows: pd.DataFrame  # failed ones too, in order of `value`, a column that they have beside their own
    origin: pd.Series | None  # the uncompressed model in the same runtime; None where it was not measured


def curves(rows: pd.DataFrame) -> list[Curve]:
    """The curves in the rows of any boards, in order of their chains; each has two values at least.

    Args:
        rows: with ratios, see `ratios.with_ratios`.
    """
    points: dict[tuple[int, Place], list[tuple[Any, int]]] = {}
    boards = rows.groupby(_shared(rows), dropna=False).ngroup()
    for at, (board, text) in enumerate(zip(boards, rows["method_params"], strict=True)):
        for place, value in _places(json.loads(text)):
            points.setdefault((board, place), []).append((value, at))
    found = [
        _curve(rows[boards == board], place, rows.iloc[[at for _, at in own]].assign(value=[value for value, _ in own]))
        for (board, place), own in ((key, sorted(own, key=lambda point: point[0])) for key, own in points.items())
        if len({str(value) for value, _ in own}) > 1
    ]
    return sorted(found, key=lambda curve: (curve.chain, curve.parameter))


def _shared(rows: pd.DataFrame) -> list[str]:
    """What must be equal on a curve beside the chain; rows of several folders say which by `source`."""
    return [*KEY, "training", *(["source"] if "source" in rows else [])]


def _places(steps: list[list[Any]]) -> Iterator[tuple[Place, Any]]:
    """Each numeric parameter of a chain by its place, and its value."""
    for number, (_, parameters) in enumerate(steps):
        for name, value in parameters.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue  # a choice has no order to draw a line in
            rest = [
                [step.partition("-")[0], {k: v for k, v in own.items() if (at, k) != (number, name)}]
                for at, (step, own) in enumerate(steps)
            ]
            yield (number, name, json.dumps(rest, sort_keys=True)), value


def _curve(board: pd.DataFrame, place: Place, own: pd.DataFrame) -> Curve:
    number, parameter, _ = place
    # A value at its default is not spelled: another row shows where it stands.
    steps = [json.loads(text)[number][0] for text in own["method_params"]]
    spelled = list(zip(own["chain"], steps, strict=True))
    chain, step = next((each for each in spelled if f"-{parameter}=" in each[1]), spelled[0])
    open_step = re.sub(rf"-{parameter}=.*?(?=-[A-Za-z_]\w*=|$)", f"-{parameter}={SWEPT}", step)
    name = "+".join(open_step if part == step else part for part in chain.split("+"))
    origin = board[board["method"].eq(REFERENCE) & board["runtime"].eq(own["runtime"].iloc[0]) & succeeded(board)]
    return Curve(name, step.partition("-")[0], parameter, own, origin.iloc[0] if len(origin) else None)
