"""The charts of training methods: against devices, against the link, cost against time, memory, and bytes sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import altair as alt
import pandas as pd
from views import charts, shared
from views.charts import PALETTE

from breakeven.protocol import SINGLE_DEVICE
from breakeven.scoring import cost, leaderboard, scaling
from breakeven.scoring.scaling import UNTHROTTLED

TIMES = {"train_time_s": "Training time", "time_to_target_s": "Time to target"}
DASHES = [[1, 0], [6, 4], [2, 3], [9, 3, 2, 3]]  # of lines, one per link
NUMBERS = ["world_size", "network_mbit", "scaling_efficiency", "speedup", "quality_ratio"]
BAR = 13  # px


@dataclass(frozen=True)
class Look:
    """A colour per method, the same whichever board is shown; a shape and a dash per link."""

    colours: dict[str, str]
    links: list[str]

    @classmethod
    def of(cls, training: pd.DataFrame) -> Look:
        """Return the look of all methods and links of some rows; the single-device run is grey."""
        methods = sorted(set(training["training_method"]) - {SINGLE_DEVICE})
        rates = training.assign(rate=scaling.rate_of(training)).sort_values("rate", ascending=False)
        links = dict.fromkeys(link for _, row in rates.iterrows() if (link := scaling.link(row)))
        return cls(
            {SINGLE_DEVICE: charts.GREY} | {m: PALETTE[i % len(PALETTE)] for i, m in enumerate(methods)}, list(links)
        )

    def colour(self, field: str = "method:N") -> alt.Color:
        """Return the colour channel, by training method."""
        return alt.Color(field, legend=None, scale=alt.Scale(domain=[*self.colours], range=[*self.colours.values()]))

    def shape(self) -> alt.Shape:
        """Return the shape channel, by link; a single process has a circle."""
        marks = [charts.SHAPES[i % len(charts.SHAPES)][0] for i in range(len(self.links))]
        return alt.Shape("link:N", legend=None, scale=alt.Scale(domain=["", *self.links], range=["circle", *marks]))

    def dash(self) -> alt.StrokeDash:
        """Return the dash channel, by the link of a line."""
        dashes = [DASHES[i % len(DASHES)] for i in range(len(self.links))]
        return alt.StrokeDash("over:N", legend=None, scale=alt.Scale(domain=self.links, range=dashes))

    def legend(self, board: pd.DataFrame) -> None:
        """Show the legend: a board's methods with their colours, and its links with their shapes."""
        methods = [method for method in self.colours if method in set(board["training_method"])]
        items = [f"<span style='color:{self.colours[method]}'>⬤</span> {escape(method)}" for method in methods]
        own = {scaling.link(row) for _, row in board.iterrows()}
        shapes = {link: charts.SHAPES[i % len(charts.SHAPES)][1] for i, link in enumerate(self.links)}
        kinds = [f"{shapes[link]} {escape(link)}" for link in self.links if link in own]
        charts.swatches([*items, *(f"<span style='opacity:.6'>{kind}</span>" for kind in kinds)])


def prepared(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the drawn figures of ranked rows: `seconds` of the time `by` (NaN where the target was missed), their cost
    `usd`, and in MB the `memory` and the bytes `sent` per step."""
    rows = rows.reset_index(drop=True)
    seconds = rows[by].astype(float).replace(math.inf, math.nan)
    numbers = {name: rows[name].astype(float) for name in NUMBERS}
    numbers |= {"seconds": seconds, "usd": pd.Series(cost.work(seconds, rows["usd_per_hour"]))}
    numbers["memory"] = rows["rank_memory_above_baseline_bytes"].astype(float) / 1e6
    numbers["sent"] = scaling.bytes_per_step(rows) / 1e6
    texts = rows[["trained_as", "hardware"]].assign(
        method=rows["training_method"],
        link=[scaling.link(row) for _, row in rows.iterrows()],
        ranked=scaling.comparable(rows, by),
        price=[shared.money(value) for value in numbers["usd"]],
    )
    return pd.DataFrame(numbers).join(texts)


def tooltips(by: str) -> list[alt.Tooltip]:
    """Return the tooltips, the same in all charts."""
    return [
        alt.Tooltip("method:N", title="Training method"),
        alt.Tooltip("hardware:N", title="Hardware"),
        alt.Tooltip("link:N", title="Link"),
        alt.Tooltip("world_size:Q", title="Processes"),
        alt.Tooltip("seconds:Q", title=f"{TIMES[by]} [s]", format=",.4~g"),
        alt.Tooltip("speedup:Q", title="Speed-up ×", format=".2f"),
        alt.Tooltip("scaling_efficiency:Q", title="Efficiency", format=".1%"),
        alt.Tooltip("quality_ratio:Q", title="Quality kept", format=".1%"),
        alt.Tooltip("price:N", title="US$"),
        alt.Tooltip("memory:Q", title="Memory per process [MB]", format=",.4~g"),
        alt.Tooltip("sent:Q", title="Sent per step [MB]", format=",.4~g"),
        alt.Tooltip("ranked:N", title="Compared"),
    ]


def points(base: alt.Chart, look: Look, **encoding: object) -> alt.Chart:
    """Return rows as points, hollow where they are not compared."""
    full = alt.condition("datum.ranked", look.colour(), alt.value("transparent"))
    mark = base.mark_point(size=70, strokeWidth=2, filled=False, opacity=1)
    return mark.encode(color=look.colour(), fill=full, shape=look.shape(), **encoding)


def efficiency_chart(board: pd.DataFrame, by: str, look: Look) -> alt.LayerChart:
    """Return the chart of the scaling efficiency against the number of processes, with the ideal."""
    title = "Scaling efficiency"
    y = alt.Y("scaling_efficiency:Q", title=title, scale=alt.Scale(zero=True), axis=alt.Axis(format="%"))
    ideal = alt.Chart(pd.DataFrame({"y": [1.0]})).mark_rule(strokeDash=[4, 3], color=charts.GREY)
    return _by_devices(board, "scaling_efficiency", y, by, look, [ideal.encode(y=alt.Y("y:Q", title=title))])


def time_chart(board: pd.DataFrame, by: str, look: Look) -> alt.LayerChart:
    """Return the chart of the time against the number of processes."""
    return _by_devices(board, "seconds", seconds_axis(prepared(board, by)["seconds"], by), by, look, [])


def seconds_axis(seconds: pd.Series, by: str) -> alt.Y:
    """Return a logarithmic axis of seconds."""
    return alt.Y("seconds:Q", title=f"{TIMES[by]} [s]", scale=_log(16), axis=_round(seconds))


def _by_devices(
    board: pd.DataFrame, field: str, y: alt.Y, by: str, look: Look, below: list[alt.Chart]
) -> alt.LayerChart:
    rows, lines = prepared(board, by), scaling.lines(board)
    drawn = prepared(lines, by).assign(
        method=lines["method"], line=lines["line"], over=lines["rate"].map(scaling.link_of)
    )
    sizes = sorted(rows["world_size"].dropna().unique())
    scale = alt.Scale(type="log", base=2, nice=False, padding=18)
    x = alt.X("world_size:Q", title="Processes", scale=scale, axis=alt.Axis(values=sizes, format="d"))
    line = alt.Chart(drawn.dropna(subset=field)).mark_line(strokeWidth=2, opacity=0.85)
    line = line.encode(x=x, y=y, color=look.colour(), strokeDash=look.dash(), detail="line:N")
    dots = points(alt.Chart(rows.dropna(subset=field)), look, x=x, y=y, tooltip=tooltips(by))
    return charts.layered(340, *below, line, dots)


def link_chart(board: pd.DataFrame, by: str, look: Look) -> alt.LayerChart:
    """Return the chart of the time against the link's rate. The unthrottled link stands at the right end."""
    rows = prepared(board, by).dropna(subset="seconds")
    several = rows[rows["method"] != SINGLE_DEVICE].copy()
    slowest, fastest = several["network_mbit"].min(), several["network_mbit"].max()
    end = 10.0 if math.isnan(fastest) else fastest * max(4.0, (fastest / slowest) ** 0.35)
    several["x"] = several["network_mbit"].fillna(end)
    several["free"] = several["network_mbit"].isna()
    ticks = sorted(several["x"].unique())
    label = f"datum.value == {end} ? '{UNTHROTTLED}' : format(datum.value, ',')"
    x = alt.X(
        "x:Q",
        title="Rate of the link between processes [Mbit/s]",
        scale=_log(46),
        axis=alt.Axis(values=ticks, labelExpr=label, labelOverlap=False),
    )
    y = seconds_axis(rows["seconds"], by)
    throttled = several[~several["free"]].sort_values("x")
    last = throttled.groupby("method").tail(1)
    bridge = pd.concat([last, several[several["free"]]])
    kinds = [(throttled, [1, 0]), (bridge, [2, 3])]
    lines = [
        alt.Chart(own).mark_line(strokeWidth=2, strokeDash=dash, opacity=0.85).encode(x=x, y=y, color=look.colour())
        for own, dash in kinds
        if len(own)
    ]
    single = alt.Chart(rows[rows["method"] == SINGLE_DEVICE]).mark_rule(
        strokeDash=[6, 4], strokeWidth=2, color=charts.GREY
    )
    dots = points(alt.Chart(several), look, x=x, y=y, tooltip=tooltips(by))
    below = [single.encode(y=y, tooltip=tooltips(by))] if (rows["method"] == SINGLE_DEVICE).any() else []
    return charts.layered(360, *below, *lines, dots)


def cost_chart(board: pd.DataFrame, by: str, look: Look) -> alt.LayerChart:
    """Return the chart of US$ against the time. The line joins the compared rows that no other row beats in both."""
    rows = prepared(board, by).dropna(subset=["seconds", "usd"]).sort_values("seconds")
    rows["front"] = leaderboard.pareto_front(-rows["seconds"], rows["usd"].where(rows["ranked"]))
    x = alt.X("seconds:Q", title=f"{TIMES[by]} [s]", scale=_log(26), axis=_round(rows["seconds"]))
    y = alt.Y("usd:Q", title="US$", scale=_log(60), axis=_round(rows["usd"]))
    front = rows[rows["front"]]
    line = alt.Chart(front).mark_line(strokeWidth=2, color=charts.GREY, opacity=0.8).encode(x=x, y=y, order="seconds:Q")
    dots = points(alt.Chart(rows), look, x=x, y=y, tooltip=tooltips(by))
    names = [  # below the line, where there are no points, and one below the other
        alt.Chart(front.iloc[[place]])
        .mark_text(align="left", dx=-4, dy=16 + 13 * (place % 3), fontSize=11, color=charts.GREY)
        .encode(x=x, y=y, text="trained_as:N")
        for place in range(len(front))
    ]
    return charts.layered(380, line, dots, *names)


def _log(padding: int) -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=padding)


def _round(values: pd.Series) -> alt.Axis:
    """Return a logarithmic axis marked at round values."""
    return alt.Axis(format=".6~g", values=charts.ticks(values.min(), values.max()))


def bars(board: pd.DataFrame, field: str, title: str, by: str, look: Look) -> alt.LayerChart:
    """Return bars of a figure of each row, method by method; dashed: the single-device run's."""
    rows = prepared(board, by).dropna(subset=field).sort_values("hardware")
    rows["place"] = rows.groupby("method").cumcount()
    order = list(rows.groupby("method")[field].max().sort_values().index)
    places = sorted(rows["place"].unique())
    offset = alt.YOffset("place:O", sort=places, scale=alt.Scale(paddingInner=0.15))
    room = alt.Scale(
        domain=[0, 1.6 * rows[field].max()], nice=False
    )  # for the names of hardware profiles after the bars
    x = alt.X(f"{field}:Q", title=title, axis=alt.Axis(tickCount=5, format=",.4~g"), scale=room)
    base = alt.Chart(rows).encode(y=charts.names("method:N", order), yOffset=offset, x=x)
    bar = base.mark_bar(opacity=0.9).encode(color=look.colour(), tooltip=tooltips(by))
    name = base.mark_text(align="left", dx=4, fontSize=10, color=charts.GREY).encode(text="hardware:N")
    single = rows[rows["method"] == SINGLE_DEVICE]
    one = alt.Chart(single).mark_rule(strokeDash=[4, 3], color=charts.GREY).encode(x=x)
    height = max(160, len(order) * (len(places) * BAR + 8) + 60)
    return charts.layered(height, *([one] if len(single) else []), bar, name)
