"""Draws the pictures of the README from the published rows: `make pictures` writes them to docs/pictures.

Each picture exists for a light and a dark page. The drawn values are stored in the SVG, so that a test notices when
the rows have changed since.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from breakeven.scoring import leaderboard, ratios
from breakeven.scoring.wording import GAP, inferences, notes, percent, place, size, span, times

ROOT = Path(__file__).resolve().parents[1]
STREAMLIT = ROOT / "dashboard" / ".streamlit" / "config.toml"  # the dashboard's colours
ROWS = ROOT / "results" / "reference"
FOLDER = Path(__file__).with_suffix("")
BOARDS = {
    "leaderboard": {"task": "fashion_mnist", "hardware": "cpu_1", "scenario": "single_stream"},
    "pareto": {"task": "movie_sentiment", "hardware": "cpu_1", "scenario": "offline"},
}
WIDTH = 860  # pixels, about the width of a README
GREY = "#8a94a0"  # of the reference, and of lines that are no method's
FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"
Box = tuple[float, float, float, float]  # left, top, right, bottom
METADATA = "{http://www.w3.org/2000/svg}metadata"


@dataclass(frozen=True)
class Theme:
    """Colours of a page, those of the dashboard."""

    background: str
    text: str
    border: str


@dataclass(frozen=True)
class Board:
    """One board to draw."""

    title: str
    subtitle: str
    rows: pd.DataFrame  # one per method, best first: the values drawn
    colours: dict[str, str]


def themes() -> dict[str, Theme]:
    """The light and the dark theme."""
    options = tomllib.loads(STREAMLIT.read_text())["theme"]
    names = ("backgroundColor", "textColor", "borderColor")
    return {name: Theme(*(options[name][key] for key in names)) for name in ("light", "dark")}


def colours(inference: pd.DataFrame) -> dict[str, str]:
    """The colour of each method, as in the dashboard; the reference is grey."""
    palette = tomllib.loads(STREAMLIT.read_text())["theme"]["chartCategoricalColors"]
    methods = sorted(set(inference["chain"]) - {ratios.REFERENCE})
    return {ratios.REFERENCE: GREY} | dict(zip(methods, cycle(palette), strict=False))


def board(inference: pd.DataFrame, wanted: dict[str, str]) -> Board:
    """The board of a task, hardware profile and scenario, ranked by the scenario's own cost."""
    chosen = inference[(inference[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    ((key, rows),) = leaderboard.boards(chosen)
    ranked = leaderboard.rank(rows, ratios.SCENARIO_COST[wanted["scenario"]])
    ranked = ranked[ratios.succeeded(ranked)].reset_index(drop=True)
    first, metric = ranked.iloc[0], str(ranked.iloc[0]["metric"]).replace("_", " ")
    batches = "one sample at a time" if key["batch_size"] == 1 else f"batches of {key['batch_size']}"
    threads = f"{first['threads']} CPU thread" + ("s" if first["threads"] > 1 else "")
    return Board(
        title=f"{key['task']}, {batches}",
        subtitle=f"{first['cpu_model']}, {threads} · quality: {metric} on {int(first['n_eval']):,} test samples",
        rows=drawn(ranked),
        colours=colours(inference),
    )


NOTES = {"open": "below the quality gate"}


def drawn(ranked: pd.DataFrame) -> pd.DataFrame:
    """The values that the pictures show."""
    sign = ranked["higher_is_better"].map({True: 1.0, False: -1.0})
    return pd.DataFrame(
        {
            "place": [place(row) for _, row in ranked.iterrows()],
            "method": ranked["chain"],
            "ranked": ranked["rank"].notna(),
            "front": leaderboard.pareto_front(ranked["quality"] * sign, ranked["burden"]),
            "kept": ranked["quality_ratio"].astype(float),
            "kept_low": ranked["quality_kept_ci_low"].astype(float),
            "kept_high": ranked["quality_kept_ci_high"].astype(float),
            "speedup": ranked["speedup"].astype(float),
            "speedup_low": ranked["speedup_ci_low"].astype(float),
            "speedup_high": ranked["speedup_ci_high"].astype(float),
            "disk_bytes": ranked["disk_bytes"].astype(float),
            "smaller": ranked["size_ratio"].astype(float),
            "pays_off": [inferences(value) for value in ranked["break_even"]],
            "unsure": np.isinf(ranked["break_even_low"]) != np.isinf(ranked["break_even_high"]),
            "notes": [", ".join(NOTES.get(note, note) for note in notes(row)) for _, row in ranked.iterrows()],
        }
    )


# The leaderboard: a table in which the speed-ups are bars. Columns stand at fixed pixels.
ROW, TOP, NOTE = 38, 30, 28
BARS = (388, 548)
COLUMNS = {"place": 26, "method": 42, "kept": 366, "speedup": 630, "size": 722, "pays_off": WIDTH - 4}
HEADINGS = {
    "place": "#",
    "method": "Method",
    "kept": "Quality kept",
    "speedup": "Speed-up",
    "size": "Size",
    "pays_off": "Pays off after",
}


def draw_leaderboard(given: Board, theme: Theme) -> alt.LayerChart:
    """Rank, method, quality kept, speed-up, size of the file and break-even point of each method."""
    rows = given.rows.copy()
    # The rows that have no rank stand apart, below a line that says why.
    rows["y"] = TOP + ROW * (rows.index + 0.5) + NOTE * ~rows["ranked"]
    rows["opacity"] = rows["ranked"].map({True: 1.0, False: 0.65})
    base = alt.Chart(rows).encode(opacity=alt.Opacity("opacity:Q", scale=None))
    length = alt.Scale(domain=[0, rows["speedup_high"].max()], range=list(BARS))
    bar = base.mark_bar(orient="horizontal", height=16, cornerRadiusEnd=3).encode(
        x=alt.X("speedup:Q", scale=length, axis=None),
        x2=alt.datum(0),
        y=_pixels("y"),
        color=alt.Color("method:N", legend=None, scale=_scale(given)),
    )
    whisker = base.mark_rule(strokeWidth=1.5, color=theme.text).encode(
        x=alt.X("speedup_low:Q", scale=length), x2="speedup_high:Q", y=_pixels("y")
    )
    smaller = ["" if math.isclose(x, 1, rel_tol=5e-3) else f"{times(x)} smaller" for x in rows["smaller"]]
    paying = rows["pays_off"].where(rows["pays_off"].isin([GAP, "never"]), rows["pays_off"] + " inferences")
    layers = [
        *_lines(rows, theme),
        bar,
        whisker,
        *_column(rows, "place", rows["place"], weight="bold"),
        *_column(rows, "method", rows["method"], rows["notes"], align="left", weight="bold"),
        *_column(rows, "kept", rows["kept"].map(percent), _spans(rows, "kept", percent)),
        *_column(rows, "speedup", rows["speedup"].map(times), _spans(rows, "speedup", "{:.2f}".format), weight="bold"),
        *_column(rows, "size", rows["disk_bytes"].map(size), smaller),
        *_column(rows, "pays_off", paying, rows["unsure"].map({True: "uncertain", False: ""})),
    ]
    subtitle = "Below a figure: its 95 % interval. Equal ranks (=): the measurement cannot tell the methods apart."
    return _finished(layers, given, subtitle, theme, float(rows["y"].max()) + ROW / 2)


def _column(
    rows: pd.DataFrame,
    name: str,
    text: Iterable[str],
    below: Iterable[str] = (),
    align: Literal["left", "right"] = "right",
    weight: Literal["normal", "bold"] = "normal",
) -> Iterator[alt.Chart]:
    """A column of the table: a text for each row and, where there is more to say, small text below it."""
    cells = rows[["y", "opacity"]].assign(text=list(text), below=list(below) or "")
    cells["above"] = cells["y"] - 6 * (cells["below"] != "")
    base = alt.Chart(cells).encode(x=alt.value(COLUMNS[name]), opacity=alt.Opacity("opacity:Q", scale=None))
    mark = base.mark_text(align=align, baseline="middle", fontSize=13.5, fontWeight=weight)
    yield mark.encode(y=_pixels("above"), text="text:N")
    small = base.mark_text(align=align, baseline="middle", fontSize=10.5, dy=8)
    yield small.encode(y=_pixels("y"), text="below:N")


def _lines(rows: pd.DataFrame, theme: Theme) -> Iterator[alt.Chart]:
    """Headings, a thin line above each row, and what the rows below the last rank are."""
    for name, x in COLUMNS.items():
        head = alt.Chart(pd.DataFrame({"text": [HEADINGS[name]]}))
        mark = head.mark_text(align="left" if name == "method" else "right", fontSize=11.5, opacity=0.7)
        yield mark.encode(x=alt.value(x), y=alt.value(TOP / 2), text="text:N")
    above = rows.assign(line=rows["y"] - ROW / 2)
    rule = alt.Chart(above).mark_rule(color=theme.border, strokeWidth=1)
    yield rule.encode(x=alt.value(0), x2=alt.value(WIDTH), y=_pixels("line"))
    others = above[~above["ranked"]].head(1).assign(text="Shown, not ranked")
    note = alt.Chart(others).mark_text(align="left", baseline="bottom", fontSize=11.5, opacity=0.7, dy=-7)
    yield note.encode(x=alt.value(COLUMNS["method"]), y=_pixels("line"), text="text:N")


def _spans(rows: pd.DataFrame, name: str, show: Callable[[float], str]) -> list[str]:
    """The intervals of a column as text; nothing for a figure that is exact by definition."""
    ends = zip(rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
    return ["" if pd.isna(low) or low == high else span(low, high, show) for low, high in ends]


# The Pareto front: quality kept against speed-up.
PLOT, HEIGHT = WIDTH - 66, 380
TICKS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)
ALIGNS = {(1, 0): "left", (-1, 0): "right", (0, -1): "center", (0, 1): "center"}  # of a label right, left, above, below


def draw_pareto(given: Board, theme: Theme) -> alt.LayerChart:
    """Quality kept against speed-up, with intervals, the front, and the quality gate."""
    rows, (x_domain, y_domain) = given.rows.copy(), domains(given.rows)
    for end in ("", "_low", "_high"):
        rows[f"x{end}"] = np.interp(np.log(rows[f"speedup{end}"]), np.log(x_domain), (0, PLOT))
    rows["y"] = np.interp(rows["kept"], y_domain, (HEIGHT, 0))
    rows = rows.join(pd.DataFrame(list(beside(rows)), index=rows.index))
    x_scale, y_scale = alt.Scale(type="log", domain=x_domain, nice=False), alt.Scale(domain=y_domain, nice=False)
    ticks = [tick for tick in TICKS if x_domain[0] <= tick <= x_domain[1]]
    x = alt.X("speedup:Q", title="Speed-up × over fp32 in eager PyTorch  →", scale=x_scale)
    x = x.axis(values=ticks, format="~g", grid=False)
    y = alt.Y("kept:Q", title="Quality kept  →", scale=y_scale).axis(format=".1%", tickCount=6)
    base = alt.Chart(rows).encode(color=alt.Color("method:N", legend=None, scale=_scale(given)))
    rule = base.mark_rule(strokeWidth=1.3, opacity=0.5)
    front = alt.Chart(rows[rows["front"]]).mark_line(strokeWidth=2, color=GREY, opacity=0.8)
    layers = [
        *_gate(y_scale),
        front.encode(x=x, y=y, order="speedup:Q"),
        rule.encode(x=x, y=alt.Y("kept_low:Q", scale=y_scale), y2="kept_high:Q"),
        rule.encode(x=alt.X("speedup_low:Q", scale=x_scale), x2="speedup_high:Q", y=y),
        base.mark_point(filled=True, size=130, opacity=1, stroke=theme.background, strokeWidth=1.5).encode(x=x, y=y),
        *_labels(rows, theme),
    ]
    subtitle = "Bars: 95 % intervals. On the line: methods that no other beats in both quality and speed."
    return _finished(layers, given, subtitle, theme, HEIGHT, PLOT)


def domains(rows: pd.DataFrame) -> tuple[list[float], list[float]]:
    """The ends of the axes of speed-up and quality: the intervals, and some room for labels."""
    speedups = [rows["speedup_low"].min() / 1.25, rows["speedup_high"].max() * 1.1]
    return speedups, [rows["kept_low"].min() - 0.002, rows["kept_high"].max() + 0.002]


def _gate(scale: alt.Scale) -> Iterator[alt.Chart]:
    """The quality that a method has to keep to be ranked."""
    gate = alt.Chart(pd.DataFrame({"gate": [leaderboard.GATE], "text": [f"quality gate: {leaderboard.GATE:.0%}"]}))
    y = alt.Y("gate:Q", scale=scale)
    yield gate.mark_rule(strokeDash=[5, 4], color=GREY).encode(y=y)
    text = gate.mark_text(align="left", dx=6, dy=10, fontSize=11.5, color=GREY)
    yield text.encode(x=alt.value(0), y=y, text="text:N")


def _labels(rows: pd.DataFrame, theme: Theme) -> Iterator[alt.Chart]:
    """The methods' names, each with a rim that keeps it legible on lines."""
    for align, some in rows.groupby("align"):
        for rim in (4, 0):
            text = alt.Chart(some).mark_text(
                align=align,
                baseline="middle",
                fontSize=13,
                fontWeight="bold",
                stroke=theme.background,
                strokeWidth=rim,
                strokeJoin="round",
            )
            yield text.encode(x=_pixels("label_x", alt.X), y=_pixels("label_y"), text="method:N")


def beside(points: pd.DataFrame) -> Iterator[dict[str, float | str]]:
    """A place for each point's label: the side on which it covers no mark and no other label."""
    front = points[points["front"]].sort_values("x")
    along = np.linspace(front["x"].min(), front["x"].max(), 100)
    line = zip(along, np.interp(along, front["x"], front["y"]), strict=True)
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in [*zip(points["x"], points["y"], strict=True), *line]]
    taken += [(each.x_low, each.y - 2, each.x_high, each.y + 2) for each in points.itertuples()]
    for point in points.itertuples():
        width = 7.3 * len(point.method)
        places: list[tuple[int, Box, dict[str, float | str]]] = []
        for (right, down), align in ALIGNS.items():
            x, y = point.x + 13 * right, point.y + 17 * down
            left = x + (right - 1) * width / 2
            box = (left, y - 8, left + width, y + 8)
            outside = left < 0 or left + width > PLOT
            hits = sum(_overlap(box, other) for other in taken) + 100 * outside
            places.append((hits, box, {"label_x": x, "label_y": y, "align": align}))
        _, box, found = min(places, key=lambda each: each[0])
        taken.append(box)
        yield found


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _pixels(column: str, channel: type[alt.X] | type[alt.Y] = alt.Y) -> Any:
    """A channel whose values are pixels."""
    return channel(f"{column}:Q", scale=None, axis=None)


def _scale(given: Board) -> alt.Scale:
    return alt.Scale(domain=list(given.colours), range=list(given.colours.values()))


def _finished(
    layers: Iterable[alt.Chart], given: Board, subtitle: str, theme: Theme, height: float, width: float = WIDTH
) -> alt.LayerChart:
    title = alt.Title(given.title, subtitle=[given.subtitle, subtitle], anchor="start", frame="bounds", offset=16)
    chart = alt.layer(*layers).properties(
        width=width, height=height, title=title, background=theme.background, padding=18
    )
    chart = chart.configure(font=FONT).configure_view(stroke=None).configure_text(color=theme.text)
    chart = chart.configure_title(
        **{"color": theme.text, "fontSize": 17},
        **{"subtitleColor": theme.text, "subtitleFontSize": 12, "subtitlePadding": 6, "subtitleLineHeight": 17},
    )
    return chart.configure_axis(
        labelColor=theme.text,
        titleColor=theme.text,
        gridColor=theme.border,
        domainColor=theme.border,
        tickColor=theme.border,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
    )


DRAW = {"leaderboard": draw_leaderboard, "pareto": draw_pareto}


def values(given: Board) -> dict[str, Any]:
    """The drawn texts and values of a board as JSON has them, unknown ones as null."""
    rows = json.loads(given.rows.to_json(orient="records", double_precision=10))
    return {"title": given.title, "subtitle": given.subtitle, "rows": rows}


def stored(path: Path) -> dict[str, Any]:
    """The texts and values that a picture was drawn from."""
    found: dict[str, Any] = json.loads(str(ElementTree.parse(path).findtext(METADATA)))
    return found


def to_svg(given: Board, name: str, theme: Theme) -> str:
    """A picture as SVG, with the values it shows in its metadata."""
    svg = vl_convert.vegalite_to_svg(DRAW[name](given, theme).to_json())
    opening, rest = svg.split(">", 1)
    return f"{opening}><metadata>{escape(json.dumps(values(given)), quote=False)}</metadata>{rest}\n"


def path_of(name: str, page: str) -> Path:
    """The file of a picture for a light or a dark page."""
    return FOLDER / f"{name}-{page}.svg"


def boards(folder: Path = ROWS) -> dict[str, Board]:
    """The board of each picture, from the rows of a results folder."""
    inference, _ = leaderboard.load(folder)
    return {name: board(inference, wanted) for name, wanted in BOARDS.items()}


def draw() -> None:
    """Draw each picture for a light and a dark page."""
    FOLDER.mkdir(exist_ok=True)
    for name, given in boards().items():
        for page, theme in themes().items():
            path_of(name, page).write_text(to_svg(given, name, theme))


if __name__ == "__main__":
    draw()
