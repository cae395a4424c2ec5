"""What the pages share: rows and where they come from, headings, and the choice of a board."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from breakeven import environment
from breakeven.errors import UserError
from breakeven.results import BOARD_FILES
from breakeven.rows import InferenceRow, read_parquet
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

Looked in `{folder}`; another folder can be named in `$BREAKEVEN_RESULTS`.
"""


def results_folder() -> Path:
    """Where this machine's results are."""
    return Path(os.environ.get(environment.RESULTS) or "results")


def folder_of(source: str) -> Path:
    """The results folder that rows of a source come from; the published one as seen from the repository."""
    return results_folder() if source == HERE else Path("results") / PUBLISHED.name


def has_results(folder: Path) -> bool:
    """Whether a folder holds the file of a board."""
    return any((folder / name).exists() for name in BOARD_FILES.values())


def choose_sources() -> None:
    """The sidebar's choice to see the published rows beside, or in place of, this machine's."""
    folder = results_folder()
    with st.sidebar:
        if has_results(PUBLISHED) and PUBLISHED.resolve() != folder.resolve():
            wanted = not has_results(folder) or st.query_params.get("source") == THERE
            st.toggle("Include the published results", value=wanted, key="published")
        st.caption(f"Results: `{folder}`")
        st.caption("Every ratio is the reference's cost over the method's: above 1 is better.")


def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Inference and training rows with their ratios and a column `source`; ends the page where there are none."""
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
    """An inference row as its file has it, without what is set by definition or derived."""
    folder = results_folder() if row["source"] == HERE else PUBLISHED
    table = read_parquet(folder / BOARD_FILES[InferenceRow], InferenceRow).to_pandas()
    at = ["cell_id", "scenario", "hardware_fingerprint"]
    return table[(table[at] == row[at]).all(axis=1)].iloc[0]


@st.cache_data(show_spinner=False)
def _load(source: str, folder: Path, stamp: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    inference, training = leaderboard.load(folder)
    return inference.assign(source=source), training.assign(source=source)


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes when a board's file does: the key under which its rows are cached."""
    paths = (folder / name for name in BOARD_FILES.values())
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)


def plain(text: str) -> str:
    """Text of a row or an error, to be shown as it is and not read as Markdown."""
    return re.sub(r"([\\`*_\[\]$:~<>])", r"\\\1", str(text))


def heading(title: str, caption: str) -> None:
    """A page's title and one sentence on what it shows."""
    st.title(title)
    st.markdown(f":gray[{caption}]")


def narrowed(rows: pd.DataFrame, picked: dict[str, list[str]]) -> pd.DataFrame:
    """The rows that pass the filters; their ranks stay those of the whole board."""
    for field, values in picked.items():
        if values and field in rows:
            rows = rows[rows[field].isin(values)]
    return rows


def choose_board(
    inference: pd.DataFrame, page: str, by: tuple[str, ...] = ("task", "hardware", "scenario")
) -> pd.DataFrame:
    """Controls that narrow the rows to one board; the rows of it."""
    if inference.empty:
        st.info("There are training rows but no inference rows: the run is not finished, or its grid has no chains.")
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
                format_func=machines(chosen).get if field == "hardware_fingerprint" else str,
                required=True,
                key=f"{page}_{field}",
            )
            chosen = chosen[chosen[field] == picked]
    return chosen


LABELS = {"task": "Task", "hardware": "Hardware", "scenario": "Scenario", "hardware_fingerprint": "Machine"}


def machines(rows: pd.DataFrame) -> dict[str, str]:
    """A name for each machine that rows come from, by its fingerprint."""
    names = rows["gpu_model"].fillna(rows["cpu_model"]).fillna("unknown")
    pairs = dict(zip(rows["hardware_fingerprint"], names, strict=True))
    return {fingerprint: f"{name} ({str(fingerprint)[:8]})" for fingerprint, name in pairs.items()}


def heading_of(key: dict[str, object], rows: pd.DataFrame, among: pd.DataFrame) -> str:
    """A board's heading: its task and profile, and what tells it from the other boards of `among`."""
    parts = [f"{key['task']} on {key['hardware']}" if "hardware" in key else str(key["task"])]
    parts += [f"seed {key['seed']}"] if among["seed"].nunique() > 1 else []
    parts += [str(key["source"])] if among["source"].nunique() > 1 else []
    if "hardware_fingerprint" in key and among["hardware_fingerprint"].nunique() > 1:
        parts.append(machines(rows)[key["hardware_fingerprint"]])
    return " · ".join(parts)


def shown(value: str) -> str:
    """A name as a person reads it."""
    return SCENARIOS.get(value, value)


def exact(share: float) -> str:
    """A share in per cent with all of its digits, such as a constant of the protocol."""
    return f"{100 * share:.6g} %"


def money(value: float) -> str:
    """US$ with enough digits for a millionth of a cent."""
    if pd.isna(value):
        return GAP
    sign, size = "−" if value < 0 else "", abs(value)
    digits = f"{size:,.2f}" if size >= 10 else np.format_float_positional(size, 3, fractional=False, trim="-")
    return f"{sign}${digits}"


def cards(items: list[tuple[str, str, str]]) -> None:
    """Headline figures side by side: label, value, and what it is of."""
    for column, (label, value, detail) in zip(st.columns(len(items)), items, strict=True):
        with column.container(border=True, height="stretch"):
            st.metric(label, value)
            st.caption(plain(detail))
