"""Merges the boards of several machines. The merged board holds each measurement once, in its newest version.

A cell that was measured and failed later keeps its last measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from breakeven.errors import Status, UserError
from breakeven.files import aside
from breakeven.rows import BOARD_FILES, BOARDS, Row, arrow_schema, read_parquet
from breakeven.trust import validation
from breakeven.trust.validation import counted
from breakeven.trust.violations import IDENTITY, NAMED_BY_ID, ambiguous

AGE = ["measured", "finished_at", "price_date", "content"]  # sorted by these columns, the last row is kept
MACHINE = ["hardware_fingerprint", "hardware", "cpu_model", "gpu_model", "executor"]


@dataclass
class SourceBoard:
    """A board to merge, and counts of its kept and superseded rows. The other rows are repetitions of kept ones."""

    path: Path
    row_type: type[Row]
    table: pa.Table
    kept: int = 0
    superseded: int = 0  # by a newer measurement


def merge(folders: Sequence[Path], output: Path, console: Console) -> None:
    """Write the merged boards of all folders to `output`, and print the origin of their rows.

    Raises:
        UserError: a file is not valid, a folder holds no board, or rows of `output` would be lost. Then nothing is
            written.
    """
    sources = _read(folders, console)
    merged = {row_type: unite([s for s in sources if s.row_type is row_type], row_type) for row_type in BOARDS}
    for row_type, table in merged.items():
        _require_kept(output / BOARD_FILES[row_type], table, row_type)
    with ExitStack() as stack:  # both files are written before either replaces an old one
        for row_type, table in merged.items():
            if any(source.row_type is row_type for source in sources):
                pq.write_table(table, stack.enter_context(aside(output / BOARD_FILES[row_type])))
    console.print(_file_table(sources), _machine_table(merged))
    counts = " and ".join(f"{len(table):,} {BOARDS[row_type]}" for row_type, table in merged.items())
    validation.say(f"{output}: {counts} rows", console)


def unite(sources: Sequence[SourceBoard], row_type: type[Row]) -> pa.Table:
    """Merge the tables of all sources: the newest row of each measurement stays. Fills in the counts of the sources.

    The result depends on the rows only, not on the order of the sources.
    """
    schema, identity = arrow_schema(row_type), IDENTITY[row_type]
    whole = pa.concat_tables([schema.empty_table(), *(source.table for source in sources)])
    needed = dict.fromkeys([*NAMED_BY_ID[row_type], *identity, "status", "finished_at", "price_date"])
    keys = whole.select([*needed]).to_pandas()
    keys["measured"] = keys["status"] == Status.OK.value
    keys["source"] = np.repeat(np.arange(len(sources)), [len(source.table) for source in sources])
    _require_agreement(keys, sources, row_type)
    keys["finished_at"] = pd.to_datetime(keys["finished_at"].astype("str"), format="ISO8601", utc=True)
    # A measurement may have been collected twice, at two prices. Then the rows' whole content tells them apart.
    tied = keys.duplicated([*identity, "finished_at"], keep=False).to_numpy()
    keys["content"] = np.zeros(len(keys), np.uint64)
    keys.loc[tied, "content"] = pd.util.hash_pandas_object(whole.filter(pa.array(tied)).to_pandas(), index=False).array
    keys = keys[::-1].sort_values(
        [*identity, *AGE], kind="stable", na_position="first"
    )  # reversed, so that the first of equal rows is kept
    newest = ~keys.duplicated(identity, keep="last").to_numpy()
    _account(keys, newest, sources)
    order = keys[newest].sort_values([*NAMED_BY_ID[row_type], *identity], na_position="first").index
    return whole.take(pa.array(order.to_numpy())).combine_chunks().replace_schema_metadata(schema.metadata)


def _require_agreement(keys: pd.DataFrame, sources: Sequence[SourceBoard], row_type: type[Row]) -> None:
    """Raise if two files give one id to different cells: one of them was not made by Breakeven."""
    wrong = keys[ambiguous(keys, row_type)]
    if len(wrong):
        names = " and ".join(str(sources[number].path) for number in sorted(wrong["source"].unique()))
        ids = ", ".join(sorted(wrong["cell_id"].unique())[:3])
        raise UserError(
            f"nothing merged: {names} mean different cells by {ids}: leave out the file that was changed by hand"
        )


def _account(keys: pd.DataFrame, newest: np.ndarray, sources: Sequence[SourceBoard]) -> None:
    """Count the kept and the superseded rows. Rows of one measurement are neighbours in `keys`, the newest last."""
    group = np.cumsum(newest) - newest
    content = keys["content"].to_numpy()
    same = (content != 0) & (content == content[newest][group])
    for number, source in enumerate(sources):
        own = (keys["source"] == number).to_numpy()
        source.kept = int((own & newest).sum())
        source.superseded = int((own & ~newest & ~same).sum())


def _read(folders: Sequence[Path], console: Console) -> list[SourceBoard]:
    """Read the boards of all folders. Faults are printed, then raised together."""
    sources, wrong = [], []
    for folder in folders:
        paths = {row_type: folder / name for row_type, name in BOARD_FILES.items() if (folder / name).exists()}
        if not paths:
            wrong.append(folder)
            validation.say(
                f"{folder}: holds neither {' nor '.join(BOARD_FILES.values())}: name a results folder", console
            )
        for row_type, path in paths.items():
            try:
                sources.append(SourceBoard(path, row_type, validation.read_board(path, row_type)))
            except UserError as error:
                wrong.append(path)
                validation.show(error, console)
    if wrong:
        names = ", ".join(map(str, wrong))
        raise UserError(f"nothing merged, not valid: {names}: correct the faults above, or leave these files out")
    return sources


def _require_kept(path: Path, table: pa.Table, row_type: type[Row]) -> None:
    """Raise if the board that exists in the output folder has rows that the merged one lacks."""
    if not path.exists():
        return
    identity = IDENTITY[row_type]
    there, here = (each.select(identity).to_pandas() for each in (read_parquet(path, row_type), table))
    lost = len(pd.concat([here, here, there]).drop_duplicates(keep=False))
    if lost:
        loss = f"{path}: would lose {counted(lost, 'row')}, nothing merged"
        raise UserError(f"{loss}: name {path.parent} among the folders too, or another --output")


def _file_table(sources: Sequence[SourceBoard]) -> Table:
    table = _table("file", "rows", "kept", "older", "again")
    table.caption = (
        "older: a newer measurement exists, or the cell failed and another run did not. again: repeated rows."
    )
    for source in sources:
        rows = len(source.table)
        numbers = (rows, source.kept, source.superseded, rows - source.kept - source.superseded)
        table.add_row(Text(str(source.path)), *(f"{number:,}" for number in numbers))
    return table


def _machine_table(merged: dict[type[Row], pa.Table]) -> Table:
    """The number of rows of each fingerprint, which is one machine with one profile."""
    frames = [table.select(MACHINE).to_pandas().assign(board=BOARDS[row_type]) for row_type, table in merged.items()]
    counts = pd.concat(frames).groupby([*MACHINE, "board"], dropna=False).size().unstack(fill_value=0)
    table = _table("fingerprint", "profile", "processor", "executor", *BOARDS.values(), words=4)
    for (fingerprint, profile, cpu, gpu, executor), row in counts.iterrows():
        named = (fingerprint, profile, cpu if pd.isna(gpu) else gpu, executor)
        numbers = (f"{row.get(board, 0):,}" for board in BOARDS.values())
        table.add_row(*(Text("–" if pd.isna(each) else str(each)) for each in named), *numbers)
    return table


def _table(*columns: str, words: int = 1) -> Table:
    """A table whose first `words` columns hold words; the other columns hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < words else "right", overflow="fold")
    return table
