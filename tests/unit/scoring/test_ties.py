"""Shared ranks: examples by hand, a plain version of the rule, and properties of all tables."""

import math
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven import statistics
from breakeven.scoring.ties import shared_ranks

KEY, INTERVAL = ["task", "seed"], ("low", "high")
STEP = 1.007  # neighbouring burdens differ by this factor: some lie within 2 %, some are equal, none is on a border
ROW = st.fixed_dictionaries(
    {
        "task": st.sampled_from(["digits", "words", None]),
        "seed": st.integers(0, 1),
        "chain": st.sampled_from(["a", "b", "fp32"]),
        "step": st.integers(0, 60),
        "width": st.none() | st.floats(0, 0.2),
        "processes": st.none() | st.integers(1, 7),
    }
)
TABLES = st.lists(ROW, min_size=1, max_size=30)
INTERVALS = st.sampled_from([INTERVAL, None])


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make a table to rank. `width` is half of the interval on the logarithmic scale, None without an interval."""
    found = pd.DataFrame(rows)
    width = found["width"].astype(float)
    found["burden"] = STEP ** found["step"].astype(float)
    found["low"], found["high"] = np.exp(-width), np.exp(width)
    return found.astype({"processes": "float64"})


def row(burden: float, width: float | None = 0.0, processes: int | None = 5, chain: str = "a") -> dict[str, Any]:
    step = math.log(burden) / math.log(STEP)
    return {"task": "digits", "seed": 0, "chain": chain, "step": step, "width": width, "processes": processes}


def ranked(rows: list[dict[str, Any]] | pd.DataFrame, interval: tuple[str, str] | None = INTERVAL) -> list[int]:
    frame = rows if isinstance(rows, pd.DataFrame) else table(rows)
    return shared_ranks(frame, KEY, interval, "fp32").tolist()


def by_the_rule(frame: pd.DataFrame, interval: tuple[str, str] | None) -> list[int]:
    """Return the same ranks, computed one row at a time."""
    found = pd.Series(0, index=frame.index)
    for _, group in frame.groupby(KEY, dropna=False):
        rows = [(index, math.log(r["burden"]), *error_of(r, interval)) for index, r in group.iterrows()]
        rows.sort(key=lambda r: (r[1], math.isnan(r[2]), r[2], r[3]))
        leader, rank = rows[0], 1
        for place, this in enumerate(rows, 1):
            more = this[1] - leader[1]
            (error, n), (its_error, its_n) = this[2:], leader[2:]
            t, its_t = statistics.student(np.array([n, its_n]))
            margin = 0.0 if interval is None else statistics.margin(error, t, its_error, its_t)
            if more > math.log(1.02) and more > margin:
                leader, rank = this, place
            found[this[0]] = rank
    return found.tolist()


def error_of(one: pd.Series, interval: tuple[str, str] | None) -> tuple[float, float]:
    if one["chain"] == "fp32" or interval is None:
        return 0.0, 2.0
    values = (np.array([one[name]]) for name in ("low", "high", "processes"))
    return float(statistics.standard_error(*values)[0]), one["processes"]


def test_what_is_apart_from_the_leader_leads_the_next_rank() -> None:
    # With 5 % to each side, 7 % is a tie and 15 % is not. The third row is apart from the first, the fourth from
    # neither.
    assert ranked([row(1.0, 0.05), row(1.07, 0.05), row(1.15, 0.05), row(1.2, 0.05)]) == [1, 1, 3, 3]


def test_a_difference_below_two_percent_is_a_tie_however_sure() -> None:
    assert ranked([row(1.0), row(1.019), row(1.021)]) == [1, 1, 3]
    assert ranked([row(1.0), row(1.02)]) == [1, 1]  # exactly on the border
    assert ranked([row(1.0), row(1.021)], interval=None) == [1, 2]


def test_fewer_processes_tell_less_apart() -> None:
    """Both cases have the same scatter of single processes: 1 %."""
    for processes, expected in ((3, [1, 1]), (5, [1, 2])):
        width = 0.01 / processes**0.5 * {3: 4.303, 5: 2.776}[processes]
        assert ranked([row(1.0, width, processes), row(1.026, width, processes)]) == expected


def test_the_reference_has_no_error_of_its_own() -> None:
    noisy = {"width": 0.5, "processes": 3}
    assert ranked([row(1.0), row(1.1, **noisy, chain="fp32")]) == [1, 2]
    assert ranked([row(1.0), row(1.1, **noisy)]) == [1, 1]


def test_what_costs_nothing_leads() -> None:
    frame = table([row(1.0), row(2.0), row(3.0)])
    frame["burden"] = [1.0, 0.0, 0.0]
    assert ranked(frame, interval=None) == [3, 1, 1]


def test_an_empty_table_has_no_ranks() -> None:
    assert ranked(table([row(1.0)]).iloc[:0]) == []


@settings(max_examples=200)
@given(rows=TABLES, interval=INTERVALS)
def test_ranks_are_those_of_the_plain_rule(rows: list[dict[str, Any]], interval: tuple[str, str] | None) -> None:
    frame = table(rows)
    assert ranked(frame, interval) == by_the_rule(frame, interval)


def test_a_long_group() -> None:
    rng = np.random.default_rng(0)
    rows = [row(STEP ** rng.integers(0, 120), rng.uniform(0, 0.1), int(rng.integers(2, 8))) for _ in range(1500)]
    frame = table(rows)
    found = ranked(frame)
    assert found == by_the_rule(frame, INTERVAL)
    assert len(set(found)) > 5


@given(TABLES, INTERVALS, st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_rows(rows: list[dict[str, Any]], interval: Any, random: Any) -> None:
    frame = table(rows)
    order = random.sample(range(len(rows)), len(rows))
    shuffled = shared_ranks(frame.iloc[order], KEY, interval, "fp32")
    assert shuffled.sort_index().tolist() == ranked(frame, interval)


@given(TABLES, INTERVALS, st.floats(1e-6, 1e6))
def test_ranks_do_not_depend_on_the_unit(rows: list[dict[str, Any]], interval: Any, unit: float) -> None:
    frame = table(rows)
    assert ranked(frame.assign(burden=unit * frame["burden"]), interval) == ranked(frame, interval)


@given(TABLES, TABLES, INTERVALS)
def test_rows_of_other_keys_change_nothing(
    ours: list[dict[str, Any]], others: list[dict[str, Any]], interval: Any
) -> None:
    elsewhere = [{**other, "seed": other["seed"] + 2} for other in others]
    assert ranked([*elsewhere, *ours], interval)[len(others) :] == ranked(ours, interval)


@given(TABLES, ROW, INTERVALS)
def test_a_row_more_changes_no_rank_of_a_cheaper_one(
    rows: list[dict[str, Any]], more: dict[str, Any], interval: Any
) -> None:
    before, after = ranked(rows, interval), ranked([*rows, more], interval)
    cheaper = [i for i, one in enumerate(rows) if one["step"] < more["step"]]
    assert [after[i] for i in cheaper] == [before[i] for i in cheaper]
    dearest = {**more, "step": 100}
    assert ranked([*rows, dearest], interval)[:-1] == before


@given(TABLES, st.data(), INTERVALS)
def test_a_row_that_gets_worse_gains_nothing(rows: list[dict[str, Any]], data: st.DataObject, interval: Any) -> None:
    which = data.draw(st.integers(0, len(rows) - 1))
    worse = [dict(one) for one in rows]
    worse[which]["step"] += data.draw(st.integers(1, 40))
    before, after = ranked(rows, interval), ranked(worse, interval)
    assert after[which] >= before[which]
    cheaper = [i for i, one in enumerate(rows) if one["step"] < rows[which]["step"]]
    assert [after[i] for i in cheaper] == [before[i] for i in cheaper]


@given(TABLES, st.data(), INTERVALS)
def test_equal_rows_share_a_rank(rows: list[dict[str, Any]], data: st.DataObject, interval: Any) -> None:
    twin = data.draw(st.sampled_from(rows))
    found = ranked([*rows, twin], interval)
    assert {found[i] for i, one in enumerate(rows) if one == twin} == {found[-1]}


@given(TABLES, INTERVALS)
def test_a_rank_is_the_place_of_its_first_row(rows: list[dict[str, Any]], interval: Any) -> None:
    frame = table(rows)
    frame["rank"] = ranked(frame, interval)
    for _, group in frame.groupby(KEY, dropna=False):
        counts = group["rank"].value_counts().sort_index()
        assert list(counts.index) == [1, *(1 + counts.cumsum()).tolist()[:-1]]
        of_burden = group.groupby("burden")["rank"].agg(["min", "max"])
        assert (
            of_burden["max"].shift(fill_value=0) <= of_burden["min"]
        ).all()  # a row that costs more never ranks before a cheaper one
