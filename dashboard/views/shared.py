"""Shared parts of the pages: rows and their sources, headings, and the choice of a board."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from breakeven import environment
from breakeven.errors import UserError
from breakeven.rows import BOARD_FILES, InferenceRow, read_parquet
from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.wording import GAP

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "reference"
HERE, THERE = "this machine", "published"
SCENARIOS = {"single_stream": "Single stream (one by one)", "offline": "Offline (batches)"}
HOW_TO_START = """
**No results here yet.** Make some, then reload this page:

```bash
make run        # the main job: three tasks, about 15 minutes on 2 cores

# or the smallest grid, under 3 minutes
snakemake --cores all --configfile workflow/config/smoke.yaml
```

The dashboard looked in `{folder}`. To read another folder, name it in `$BREAKEVEN_RESULTS`.
"""

NO_INFERENCE = "There are training rows but no inference rows: the run is not finished, or its grid has no chains."


def results_folder() -> Path:
    """Return the folder of this machine's results."""
    return Path(os.environ.get(environment.RESULTS) or "results")


def folder_of(source: str) -> Path:
    """Return the results folder of a source; that of the published rows relative to the repository."""
    return results_folder() if source == HERE else Path("results") / PUBLISHED.name


def has_results(folder: Path) -> bool:
    """Say whether a folder holds the file of a board."""
    return any((folder / name).exists() for name in BOARD_FILES.values())


def choose_sources() -> None:
    """Let the reader include the published rows, in the sidebar."""
    folder = results_folder()
    with st.sidebar:
        if has_results(PUBLISHED) and PUBLISHED.resolve() != folder.resolve():
            wanted = not has_results(folder) or st.query_params.get("source") == THERE
            st.toggle("Include the published results", value=wanted, key="published")
        st.caption(f"Results: `{folder}`")
        st.caption("Every ratio is the reference's cost divided by the method's. Above 1 is better.")


def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return inference and training rows with ratios and a column `source`; end the page where there are none."""
    folders = {HERE: results_folder()}
    if st.session_state.get("published"):
        folders[THERE] = PUBLISHED
    folders = {source: folder for source, folder in folders.items() if has_results(folder)}
    if not folders:
        st.info(HOW_TO_START.format(folder=results_folder()), icon=":material/info:")
        st.stop()
    try:
        found = [_load(source, folder, _stamp(folder)) for source, folder in folders.items()]
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()
    inference, training = (pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))
    return inference, training


def as_recorded(row: pd.Series) -> pd.Series:
    """Return an inference row as its file has it, without derived figures or those set by definition."""
    folder = results_folder() if row["source"] == HERE else PUBLISHED
    table = read_parquet(folder / BOARD_FILES[InferenceRow], InferenceRow).to_pandas()
    at = ["cell_id", "scenario", "hardware_fingerprint"]
    return table[(table[at] == row[at]).all(axis=1)].iloc[0]


@st.cache_data(show_spinner=False)
def _load(source: str, folder: Path, stamp: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    inference, training = leaderboard.load(folder)
    return inference.assign(source=source), training.assign(source=source)


def _stamp(folder: Path) -> tuple[int, ...]:
    """Return the times at which the boards' files were changed: the cache reads them again after a change."""
    paths = (folder / name for name in BOARD_FILES.values())
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def plain(text: str) -> str:
    """Escape Markdown in the text of a row or an error."""
    return re.sub(r"([\\`*_\[\]$:~<>])", r"\\\1", str(text))


def heading(title: str, caption: str) -> None:
    """Show a page's title and a caption that says what the page shows."""
    st.title(title)
    st.markdown(f":gray[{caption}]")


def narrowed(rows: pd.DataFrame, picked: dict[str, list[str]]) -> pd.DataFrame:
    """Return the rows that pass the filters; they keep their ranks on the whole board."""
    for field, values in picked.items():
        if values and field in rows:
            rows = rows[rows[field].isin(values)]
    return rows


def choose_board(
    inference: pd.DataFrame, page: str, by: tuple[str, ...] = ("task", "hardware", "scenario")
) -> pd.DataFrame:
    """Show controls that narrow the rows to one board; return its rows."""
    if inference.empty:
        st.info(NO_INFERENCE)
        st.stop()
    chosen = inference
    for column, field in zip(st.columns(len(by)), by, strict=True):
        options = sorted(chosen[field].unique(), reverse=field == "scenario")
        picked = column.selectbox(LABELS[field], options, format_func=shown, key=f"{page}_{field}")
        chosen = chosen[chosen[field] == picked]
    for field in ("source", *ratios.KEY):
        if chosen[field].nunique() > 1:
            options = list(chosen[field].drop_duplicates())
            picked = st.segmented_control(
                LABELS.get(field, field.replace("_", " ").capitalize()),
                options,
                default=options[0],
                format_func=machines(chosen).__getitem__ if field == "hardware_fingerprint" else str,
                required=True,
                key=f"{page}_{field}",
            )
            chosen = chosen[chosen[field] == picked]
    return chosen


LABELS = {"task": "Task", "hardware": "Hardware", "scenario": "Scenario", "hardware_fingerprint": "Machine"}


def machines(rows: pd.DataFrame) -> dict[object, str]:
    """Return the names of the rows' machines by fingerprint."""
    names = rows["gpu_model"].fillna(rows["cpu_model"]).fillna("unknown")
    pairs = dict(zip(rows["hardware_fingerprint"], names, strict=True))
    return {fingerprint: f"{name} ({str(fingerprint)[:8]})" for fingerprint, name in pairs.items()}


def heading_of(key: dict[str, object], rows: pd.DataFrame, among: pd.DataFrame) -> str:
    """Return a board's heading: task, profile, and the keys in which the boards of `among` differ."""
    parts = [f"{key['task']} on {key['hardware']}" if "hardware" in key else str(key["task"])]
    parts += [f"seed {key['seed']}"] if among["seed"].nunique() > 1 else []
    parts += [str(key["source"])] if among["source"].nunique() > 1 else []
    if "hardware_fingerprint" in key and among["hardware_fingerprint"].nunique() > 1:
        parts.append(machines(rows)[key["hardware_fingerprint"]])
    return " · ".join(parts)


def shown(value: str) -> str:
    """Return the readable form of a name."""
    return SCENARIOS.get(value, value)


def exact(share: float) -> str:
    """Format a share, such as a constant of the protocol, in per cent with all its digits."""
    return f"{100 * share:.6g} %"


def money(value: float) -> str:
    """Format US$ with enough digits for a millionth of a cent."""
    if pd.isna(value):
        return GAP
    sign, size = "−" if value < 0 else "", abs(value)
    digits = f"{size:,.2f}" if size >= 10 else np.format_float_positional(size, 3, fractional=False, trim="-")
    return f"{sign}${digits}"


def cards(items: list[tuple[str, str, str]]) -> None:
    """Show headline figures side by side: label, value and detail."""
    for column, (label, value, detail) in zip(st.columns(len(items)), items, strict=True):
        with column.container(border=True, height="stretch"):
            st.metric(label, value)
            st.caption(plain(detail))
