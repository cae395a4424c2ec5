"""Curves: chains that differ in one value show how a method behaves as it compresses more.

One point hides this behaviour, and two methods compared at different points say little about either (Blalock et al.
2020, "What is the state of neural network pruning?", arXiv:2003.03033).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import pandas as pd

from breakeven.protocol import REFERENCE
from breakeven.scoring.ratios import KEY, succeeded

SWEPT = "…"  # stands for the value that differs
Place = tuple[int, str, str]  # a step's number, a parameter's name, and the chain as it is without that value


@dataclass(frozen=True)
class Curve:
    """Rows of one board whose chains differ in the value of one parameter of one step."""

    chain: str  # the chain in the spelling of the board, with `…` for the value
    step: str  # the method that has the parameter
    parameter: str
    rows: pd.DataFrame  # failed ones too, in order of the additional column `value`
    origin: pd.Series | None  # the uncompressed model in the same runtime; None where it was not measured


def curves(rows: pd.DataFrame) -> list[Curve]:
    """The curves in the rows of any boards, in order of their chains. Each has at least two values.

    Args:
        rows: with ratios, see `ratios.with_ratios`.
    """
    points: dict[tuple[int, Place], list[tuple[float, int]]] = {}
    boards = rows.groupby(_shared(rows), dropna=False).ngroup()
    for position, (board, text) in enumerate(zip(boards, rows["method_params"], strict=True)):
        for place, value in _places(json.loads(text)):
            points.setdefault((board, place), []).append((value, position))
    all_curves = []
    for (board, place), unordered in points.items():
        values, positions = zip(*sorted(unordered, key=itemgetter(0)), strict=True)
        if len(set(map(str, values))) > 1:
            all_curves.append(_curve(rows[boards == board], place, rows.iloc[list(positions)].assign(value=values)))
    return sorted(all_curves, key=lambda curve: (curve.chain, curve.parameter))


def _shared(rows: pd.DataFrame) -> list[str]:
    """The columns that are equal on a curve. `source` names the folder where rows come from several."""
    return [*KEY, "trained_as", *(["source"] if "source" in rows else [])]


def _places(steps: list[tuple[str, dict[str, object]]]) -> Iterator[tuple[Place, float]]:
    """The place and the value of each numeric parameter of a chain."""
    for number, (_, parameters) in enumerate(steps):
        for name, value in parameters.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue  # choices have no order, so no line connects them
            rest = [
                [step.partition("-")[0], {k: v for k, v in own.items() if (position, k) != (number, name)}]
                for position, (step, own) in enumerate(steps)
            ]
            yield (number, name, json.dumps(rest, sort_keys=True)), value


def _curve(board: pd.DataFrame, place: Place, own: pd.DataFrame) -> Curve:
    number, parameter, _ = place
    # A step does not spell a parameter at its default value: take the spelling of a row with another value.
    steps = [json.loads(text)[number][0] for text in own["method_params"]]
    spelled = list(zip(own["chain"], steps, strict=True))
    chain, step = next((each for each in spelled if f"-{parameter}=" in each[1]), spelled[0])
    open_step = re.sub(rf"-{parameter}=.*?(?=-[A-Za-z_]\w*=|$)", f"-{parameter}={SWEPT}", step)
    name = "+".join(open_step if part == step else part for part in chain.split("+"))
    origin = board[board["method"].eq(REFERENCE) & board["runtime"].eq(own["runtime"].iloc[0]) & succeeded(board)]
    return Curve(name, step.partition("-")[0], parameter, own, origin.iloc[0] if len(origin) else None)
