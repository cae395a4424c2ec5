"""The rows of a board that break a rule, or contradict one another."""

from __future__ import annotations

from operator import itemgetter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from breakeven.rows import InferenceRow, Row, TrainingRow
from breakeven.trust.rule_kinds import Rule
from breakeven.trust.rules import OR_NULL, OWN, SHARED

# The columns that identify a measurement. A board holds each measurement once.
SAME_CELL = ["cell_id", "hardware_fingerprint", "protocol_version"]
IDENTITY: dict[type[Row], list[str]] = {
    InferenceRow: [*SAME_CELL, "scenario", "batch_size"],
    TrainingRow: [*SAME_CELL, "timed_alone"],
}
# The columns that a cell's id stands for: rows with the same id agree on them.
NAMED_BY_ID: dict[type[Row], list[str]] = {
    InferenceRow: ["task", "task_version", "trained_as", "seed", "hardware", "chain", "scenario"],
    TrainingRow: ["task", "task_version", "trained_as", "seed", "hardware"],
}
MAY_BE_INFINITE = {
    "time_to_target_s",  # the target was missed
    *("quality", "quality_ci_high", "reference_quality", "quality_kept_ci_high"),  # an error metric has no bound
}


def violations(table: pa.Table, row_type: type[Row]) -> list[tuple[int, Rule]]:
    """The number of each row that breaks a rule, with the rule, in the order of the rows."""
    rows = table.to_pandas()
    rules = [*_finite(table), *SHARED, *OWN[row_type], *_across(row_type)]
    broken = [(int(n), rule) for rule in rules for n in np.flatnonzero(rule.broken(rows).to_numpy(bool))]
    return sorted(broken, key=itemgetter(0))


def _finite(table: pa.Table) -> list[Rule]:
    """Figures are finite numbers. Only Arrow tells NaN from null, so these rules look at the Arrow table."""
    rules = []
    for field in table.schema:
        if pa.types.is_floating(field.type):
            wrong = pc.is_nan(table[field.name])
            if field.name not in MAY_BE_INFINITE:
                wrong = pc.or_(wrong, pc.is_inf(table[field.name]))
            mask = pd.Series(pc.fill_null(wrong, False).to_numpy())
            rules.append(Rule(field.name, lambda _, mask=mask: mask, "is not a finite number", OR_NULL))  # type: ignore[misc]
    return rules


def ambiguous(rows: pd.DataFrame, row_type: type[Row]) -> pd.Series:
    """Select the rows whose cell id stands for several cells."""
    meanings = rows.drop_duplicates(["cell_id", *NAMED_BY_ID[row_type]])
    return rows["cell_id"].isin(meanings.loc[meanings["cell_id"].duplicated(), "cell_id"])


def _across(row_type: type[Row]) -> list[Rule]:
    """The rules between rows of a board."""
    return [
        Rule(
            "cell_id",
            lambda rows: rows.duplicated(IDENTITY[row_type]),
            "is that of a row before, measured on the same machine",
            "remove one of the two",
        ),
        Rule(
            "cell_id",
            lambda rows: ambiguous(rows, row_type),
            "stands for several cells",
            "remove what was changed by hand",
        ),
    ]
