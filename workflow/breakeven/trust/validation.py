"""Validation of files: boards, rows of a cell, grids and hardware profiles."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.text import Text

from breakeven.errors import UserError
from breakeven.rows import BOARD_FILES, BOARDS, InferenceRow, Row, TrainingRow, arrow_schema, read_parquet
from breakeven.trust import violations
from breakeven.units import schema

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SHOWN = 20  # faults of one file; the others are counted
KINDS = {row_type.__name__: row_type for row_type in BOARDS}
MARK: dict[type[Row], str] = {
    InferenceRow: "scenario",
    TrainingRow: "training_method",
}  # a field that only one kind has
ANOTHER_VERSION = "written by another version: delete its folder and run again"


class Invalid(UserError):
    """A file with faults. Each is a line: what is wrong, where, and what to do. `more` counts faults without a line."""

    def __init__(self, faults: list[str], more: int = 0) -> None:
        super().__init__("\n".join(faults))
        self.faults, self.more = faults, more


def report(files: Sequence[Path], console: Console) -> None:
    """Print the content of each file, or its faults.

    Raises:
        UserError: some files are not valid; raised after all have been checked.
    """
    wrong = []
    for file in files:
        try:
            say(f"{file}: {describe(file)}", console)
        except UserError as error:
            wrong.append(file)
            show(error, console)
    if wrong:
        names = ", ".join(map(str, wrong))
        raise UserError(f"not valid: {len(wrong)} of {len(files)} files, {names}: correct the faults above")


def show(error: UserError, console: Console) -> None:
    """Print the faults of a file, and the number of faults without a line."""
    for fault in error.faults if isinstance(error, Invalid) else [str(error)]:
        say(fault, console)
    if isinstance(error, Invalid) and error.more:
        say(f"… and {counted(error.more, 'fault')} more", console)


def say(line: str, console: Console) -> None:
    """Print a line without wrapping and without markup, so that it can be searched."""
    console.print(Text(line), soft_wrap=True)


def describe(path: Path) -> str:
    """Describe the content of a valid file.

    Raises:
        UserError: the file is not valid, or of an unknown kind.
    """
    kinds = {".parquet": _board, ".json": _cell, ".yaml": _yaml, ".yml": _yaml}
    if path.is_dir():
        raise UserError(f"{path}: a folder: name the files in it")
    if not path.exists():
        raise UserError(f"{path}: no such file: check the path")
    if path.suffix not in kinds:
        raise UserError(f"{path}: not a .parquet, .json or .yaml file: name a board, rows, a grid or a profile")
    return kinds[path.suffix](path)


def read_board(path: Path, row_type: type[Row]) -> pa.Table:
    """Read a board and check all rules.

    Raises:
        UserError: the file is missing, foreign, damaged or of another version.
        Invalid: a row breaks a rule.
    """
    table = read_parquet(path, row_type)
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}): collect it again") from error
    return _consistent(table, row_type, path)


def _consistent(table: pa.Table, row_type: type[Row], path: Path) -> pa.Table:
    broken = violations.violations(table, row_type)
    if broken:
        shown = [(table.slice(number, 1).to_pylist()[0], rule) for number, rule in broken[:SHOWN]]
        faults = [f"{path}: {_name(row)}: {rule.explain(row)}" for row, rule in shown]
        raise Invalid(faults, more=len(broken) - len(faults))
    return table


def _name(row: Mapping[str, object]) -> str:
    about = [row.get("chain") or row.get("trained_as"), row.get("scenario")]
    return f"row {row.get('cell_id')} ({', '.join(str(each) for each in about if each)})"


def _board(path: Path) -> str:
    try:
        kind = (pq.read_schema(path).metadata or {}).get(b"breakeven.kind", b"").decode()
    except (pa.ArrowInvalid, OSError):
        kind = ""
    if kind not in KINDS:
        raise UserError(f"{path}: not a board made by Breakeven: name an {' or a '.join(BOARD_FILES.values())}")
    return _contents(read_board(path, KINDS[kind]), KINDS[kind], "board")


def _contents(table: pa.Table, row_type: type[Row], what: str) -> str:
    """`inference board: 6 rows (6 ok); 1 task, 3 chains, 1 machine`."""
    status = Counter(table["status"].to_pylist())
    statuses = ", ".join(f"{number:,} {name}" for name, number in status.most_common())
    columns = {"task": "task", "chain": "chain", "trained_as": "training", "hardware_fingerprint": "fingerprint"}
    of = [
        counted(pc.count_distinct(table[column], mode="only_valid").as_py(), noun)
        for column, noun in columns.items()
        if column in table.column_names and not (column == "trained_as" and row_type is InferenceRow)
    ]
    return f"{BOARDS[row_type]} {what}: {counted(len(table), 'row')} ({statuses or 'empty'}); {', '.join(of)}"


def counted(number: int, noun: str) -> str:
    """`3 rows`, `1 row`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cell(path: Path) -> str:
    """Describe the rows of one job. Their types have to be checked, because JSON has no schema."""
    try:
        text = path.read_text()
        rows = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}): delete its folder and run again") from error
    row_type = next((t for t in KINDS.values() if _is_rows(rows) and MARK[t] in rows[0]), None)
    if row_type is None:
        raise UserError(f"{path}: holds no rows: name the rows.json of a cell or of a model")
    if faults := [f"{path}: {fault}" for fault in _wrong_types(rows, text, row_type)]:
        raise Invalid(faults[:SHOWN], more=max(0, len(faults) - SHOWN))
    try:
        table = pa.Table.from_pylist(rows, schema=arrow_schema(row_type))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise UserError(f"{path}: a number is too large ({error}): delete its folder and run again") from error
    return _contents(_consistent(table, row_type, path), row_type, "rows")


def _is_rows(content: object) -> bool:
    return isinstance(content, list) and bool(content) and all(isinstance(row, dict) for row in content)


def _wrong_types(rows: list[dict[str, Any]], text: str, row_type: type[Row]) -> list[str]:
    from pydantic import ValidationError

    known = [field.name for field in fields(row_type)]
    faults = [
        f"{_name(row)}: {name}: is not there: {ANOTHER_VERSION}" for row in rows for name in known if name not in row
    ]
    try:
        _strict(row_type.__name__).validate_json(text)
    except ValidationError as error:
        for wrong in error.errors():
            number, *names = wrong["loc"]
            if wrong["type"] != "missing":
                foreign = wrong["type"] == "unexpected_keyword_argument"
                what = "is no field of such a row" if foreign else f"{wrong['msg']}, not {wrong['input']!r}"
                place = f"{_name(rows[int(number)])}: {'.'.join(map(str, names))}"
                faults.append(f"{place}: {what}: {ANOTHER_VERSION}")
    return faults


@cache
def _strict(kind: str) -> TypeAdapter[list[Any]]:
    """A reader of a list of rows that accepts only the fields of a row, each of its own type."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.dataclasses import dataclass

    row: Any = dataclass(KINDS[kind], config=ConfigDict(strict=True, extra="forbid"))
    return TypeAdapter(list[row])


def _yaml(path: Path) -> str:
    """Describe a grid or a hardware profile. The keys tell which it is; without a known key the folder tells."""
    from breakeven.grid import cells
    from breakeven.units import registry

    content = schema.load_yaml(path)
    names, folder = set(content) if isinstance(content, dict) else set(), path.absolute().parent.name
    kind = max(("config", "hardware"), key=lambda each: (len(names & schema.keys(each)), folder == each))
    if not names & schema.keys(kind) and folder != kind:
        raise UserError(f"{path}: neither a grid nor a hardware profile: workflow/config and hardware/ have examples")
    if kind == "hardware":
        p = registry.read_profile(path)
        return f"hardware profile: {p.accelerator}, {counted(p.devices, 'device')}, {counted(p.threads, 'thread')} each"
    grid = cells.expand(cells.read_config(path), str(path))
    training, inference = len(grid.training_cells), len(grid.inference_cells)
    return f"grid: {counted(training, 'training cell')}, {counted(inference, 'inference cell')}"
