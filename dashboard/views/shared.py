"""What the pages share: rows, the choice of a board, colours and number formats."""

from __future__ import annotations

import math
import os
import re
from html import escape
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from breakeven import leaderboard
from breakeven.errors import UserError
from breakeven.figures import GAP, notes

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "reference"
HERE, THERE = "this machine", "published"
SCENARIOS = {"single_stream": "Single stream (one by one)", "offline": "Offline (batches)"}
REFERENCE_COLOUR = "#8a94a0"  # grey: what the others are compared with
PALETTE = st.get_option("theme.chartCategoricalColors") or []
FLAG_COLOURS = {
    "★ 99.9 %": "green",
    "open": "gray",
    "contended": "orange",
    "unstable": "orange",
    "not timed alone": "orange",
    "no reference": "orange",
}
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
    return Path(os.environ.get("BREAKEVEN_RESULTS") or "results")


def has_results(folder: Path) -> bool:
    """Whether a folder holds the file of a board."""
    return any((folder / name).exists() for name in leaderboard.FILES.values())


def choose_sources() -> None:
    """The sidebar's choice to see the published rows beside, or in place of, this machine's."""
    folder = results_folder()
    with st.sidebar:
        if has_results(PUBLISHED) and PUBLISHED.resolve() != folder.resolve():
            st.toggle("Include the published results", value=not has_results(folder), key="published")
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


@st.cache_data(show_spinner=False)
def _load(source: str, folder: Path, stamp: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    inference, training = leaderboard.load(folder)
    return inference.assign(source=source), training.assign(source=source)


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes when a board's file does: the key under which its rows are cached."""
    paths = (folder / name for name in leaderboard.FILES.values())
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


def choose_board(inference: pd.DataFrame, page: str) -> pd.DataFrame:
    """Controls that narrow the rows to one board; the rows of it."""
    if inference.empty:
        st.info("There are training rows but no inference rows: the run is not finished, or its grid has no chains.")
        st.stop()
    columns = st.columns(3)
    chosen = inference
    for column, field, label in zip(columns, ("task", "hardware", "scenario"), LABELS, strict=True):
        options = sorted(chosen[field].unique(), reverse=field == "scenario")
        picked = column.selectbox(label, options, format_func=shown, key=f"{page}_{field}")
        chosen = chosen[chosen[field] == picked]
    for field in ("task_version", "batch_size", "protocol_version", "source", "seed"):
        if chosen[field].nunique() > 1:
            options = list(chosen[field].drop_duplicates())
            label = field.replace("_", " ").capitalize()
            picked = st.segmented_control(label, options, default=options[0], required=True, key=f"{page}_{field}")
            chosen = chosen[chosen[field] == picked]
    return chosen


LABELS = ("Task", "Hardware", "Scenario")


def shown(value: str) -> str:
    """A name as a person reads it."""
    return SCENARIOS.get(value, value)


def palette(inference: pd.DataFrame) -> dict[str, str]:
    """One colour per method, the same on every page because it is drawn from all rows; the reference is grey."""
    methods = sorted(set(inference["chain"]) - {leaderboard.REFERENCE})
    colours = {method: PALETTE[i % len(PALETTE)] for i, method in enumerate(methods)}
    return {leaderboard.REFERENCE: REFERENCE_COLOUR} | colours


def colours(inference: pd.DataFrame) -> alt.Color:
    """The colour channel of a chart; its legend is drawn by `legend`, which wraps where Vega's would be cut off."""
    found = palette(inference)
    return alt.Color("chain:N", legend=None, scale=alt.Scale(domain=list(found), range=list(found.values())))


# Drawn as SVG, a chart stays sharp and its points have names that a screen reader can say.
SVG = {"embedOptions": {"renderer": "svg"}}


def runtimes(inference: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """A shape of points per runtime: Vega's name and a character."""
    return dict(zip(sorted(set(inference["runtime"])), SHAPES * len(inference), strict=False))


SHAPES = [("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚")]


def legend(inference: pd.DataFrame, rows: pd.DataFrame, with_runtimes: bool = False) -> None:
    """The methods of the rows with their colours, and where wanted the runtimes with their shapes."""
    present = {method: colour for method, colour in palette(inference).items() if method in set(rows["chain"])}
    items = [f"<span style='color:{colour}'>⬤</span> {escape(method)}" for method, colour in present.items()]
    if with_runtimes:
        shapes = runtimes(inference)
        items += [f"<span style='opacity:.6'>{shapes[r][1]} {escape(r)}</span>" for r in sorted(set(rows["runtime"]))]
    spans = "".join(f"<span style='white-space:nowrap'>{item}</span>" for item in items)
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;font-size:.85rem'>{spans}</div>")


def ticks(low: float, high: float) -> list[float]:
    """Round values for a logarithmic axis: powers of ten, with 2 and 5 between where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1,) if len(powers) > 4 else (1, 2, 5)
    every = max(1, len(powers) // 9)
    return [digit * 10.0**power for power in powers if power % every == 0 for digit in digits]


def warn_if_contended(board: pd.DataFrame) -> None:
    """Say so where nothing of a board can be ranked because other programs were running."""
    measured = board[leaderboard.succeeded(board)]
    if len(measured) and leaderboard.flagged(measured, "contended").all():
        st.warning(
            "Every cell of this board was measured beside a foreign load (contended): shown, not ranked."
            " Measure again on a quiet machine: `snakemake --cores all --forcerun measure`.",
            icon=":material/warning:",
        )


def table_height(rows: pd.DataFrame) -> int:
    """Pixels that show a table without a scroll bar of its own."""
    return 38 + 35 * len(rows)


def flags(row: pd.Series) -> list[str]:
    """A row's badge and its flags, for a column of labels."""
    badge = ["★ 99.9 %"] if row.get("badge") else []
    return badge + notes(row)


def flag_column(table: pd.DataFrame) -> dict[str, object]:
    """How the column `flags` of a table is shown, wide enough for its labels; a failed cell's status is red."""
    statuses = [status for status in leaderboard.Status if status != leaderboard.Status.OK]
    options = {**FLAG_COLOURS, **dict.fromkeys(statuses, "red")}
    width = max([60, *(16 + sum(25 + 7 * len(label) for label in labels) for labels in table["flags"])])  # px
    return st.column_config.MultiselectColumn(
        "Flags", options=list(map(str, options)), color=list(options.values()), width=width
    )


def show_gaps(rows: pd.DataFrame, name: str) -> None:
    """The cells of a ranked board that failed, with what to do about it."""
    for _, row in rows[rows["board"] == "gap"].iterrows():
        label = str(row["status"]).replace("_", " ")
        st.markdown(f":red-badge[{label}] **{plain(row[name])}** :small[:gray[{plain(row['reason'])}]]")


def money(value: float) -> str:
    """US$ with enough digits for a millionth of a cent."""
    if pd.isna(value):
        return GAP
    sign, size = "−" if value < 0 else "", abs(value)
    digits = f"{size:,.2f}" if size >= 10 else np.format_float_positional(size, 3, fractional=False, trim="-")
    return f"{sign}${digits}"
