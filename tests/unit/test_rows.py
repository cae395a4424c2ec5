"""Rows survive a round trip through their files, and other files are refused."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.errors import Status, UserError
from breakeven.files import aside, read_json, write_json
from breakeven.rows import (
    OLDER_SCHEMA,
    RENAMED,
    VERSION,
    InferenceRow,
    Row,
    TrainingRow,
    arrow_schema,
    columns,
    from_dict,
    read_parquet,
    read_rows,
    write_parquet,
)
from breakeven.scoring.ratios import DERIVED, with_ratios, with_scaling

COMMON = {
    "cell_id": "a", "task": "t", "task_version": 1, "trained_as": "single_device@cpu_1", "hardware": "cpu_1", "seed": 0,
    "accelerator": "cpu", "threads": 1,
    "metric": "top1_accuracy", "metric_unit": "ratio", "higher_is_better": True, "method_params": "{}",
}  # fmt: skip
TRAINING = TrainingRow(**COMMON, training_method="single_device", timed_alone=True, time_to_target_s=float("inf"))
INFERENCE = InferenceRow(
    **COMMON, method="fp32", chain="fp32", runtime="eager", scenario="offline", batch_size=32, mode="quick",
    status=Status.TIMEOUT, reason="took too long", contended=False, latency_p50_ms=1.5,
)  # fmt: skip


@pytest.mark.parametrize("row", [TRAINING, INFERENCE], ids=["training", "inference"])
def test_round_trip(row: Row, tmp_path: Path) -> None:
    write_parquet([row], type(row), tmp_path / "board.parquet")
    assert read_rows(tmp_path / "board.parquet", type(row)) == [row]
    write_json([asdict(row)], tmp_path / "rows.json")
    assert [from_dict(values, type(row)) for values in read_json(tmp_path / "rows.json")] == [row]


@pytest.mark.parametrize("status", Status)
def test_every_status_survives(status: Status, tmp_path: Path) -> None:
    row = replace(INFERENCE, status=status, attempt=3)
    write_parquet([row], InferenceRow, tmp_path / "board.parquet")
    (found,) = read_rows(tmp_path / "board.parquet", InferenceRow)
    assert (found.status, found.attempt) == (status, 3)


@pytest.mark.parametrize("row_type", [TrainingRow, InferenceRow])
def test_every_field_is_a_column(row_type: type[Row]) -> None:
    assert arrow_schema(row_type).names == [field.name for field in fields(row_type)]


@pytest.mark.parametrize("row_type", [TrainingRow, InferenceRow])
def test_every_column_says_what_it_holds(row_type: type[Row]) -> None:
    assert all(meaning.text.endswith(".") and meaning.null for _, meaning in columns(row_type).values())


@pytest.mark.parametrize(("row", "derive"), [(TRAINING, with_scaling), (INFERENCE, with_ratios)])
def test_every_derived_column_says_what_it_holds(row: Row, derive: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    stored = pa.Table.from_pylist([asdict(row)], schema=arrow_schema(type(row))).to_pandas()
    assert set(derive(stored).columns) - set(stored.columns) == set(DERIVED[type(row)])


def test_ratios_to_other_rows_are_not_stored() -> None:
    assert not [f.name for f in fields(InferenceRow) if "ratio" in f.name]


def test_a_required_field_may_not_be_null(tmp_path: Path) -> None:
    row = TrainingRow(**{**COMMON, "task": None}, training_method="x", timed_alone=True)
    with pytest.raises(pa.ArrowInvalid):
        write_parquet([row], TrainingRow, tmp_path / "board.parquet")
        pq.read_table(tmp_path / "board.parquet").validate(full=True)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inference.parquet"
    with pytest.raises(UserError, match="no results yet"):
        read_parquet(path, InferenceRow)
    path.write_text("not parquet")
    with pytest.raises(UserError, match="not a Parquet file"):
        read_parquet(path, InferenceRow)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(UserError, match="not a file of InferenceRows"):
        read_parquet(path, InferenceRow)
    write_parquet([TRAINING], TrainingRow, path)
    with pytest.raises(UserError, match="not a file of InferenceRows"):
        read_parquet(path, InferenceRow)


def test_an_older_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inference.parquet"
    schema = arrow_schema(InferenceRow)
    older = schema.remove(0).with_metadata({**schema.metadata, b"breakeven.schema_version": b"0"})
    pq.write_table(older.empty_table(), path)
    with pytest.raises(UserError, match="has schema 0"):
        read_parquet(path, InferenceRow)


def test_the_schema_before_is_read_under_todays_names(tmp_path: Path) -> None:
    path, before = tmp_path / "inference.parquet", {new: old for old, new in RENAMED.items()}
    write_parquet([INFERENCE], InferenceRow, path)
    table = pq.read_table(path)
    older = table.rename_columns([before.get(name, name) for name in table.column_names])
    at = older.schema.get_field_index("schema_version")
    older = older.set_column(at, older.schema.field(at), pa.array([OLDER_SCHEMA]))
    older = older.replace_schema_metadata({**table.schema.metadata, VERSION: str(OLDER_SCHEMA)})
    pq.write_table(older, path)
    assert "trained_as" not in older.column_names
    assert read_rows(path, InferenceRow) == [INFERENCE]
    assert [from_dict(values, InferenceRow) for values in older.to_pylist()] == [INFERENCE]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), aside(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
