"""Texts for the numbers and flags of the boards, shared by the terminal and the dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from breakeven.errors import Status
from breakeven.protocol import BADGE, ESTIMATE, REFERENCE, SAME
from breakeven.scoring.ratios import COMPRESSION_INTERVAL, SPEEDUP_INTERVAL

GAP = "–"  # stands for an unknown number
STAR = f"★ {100 * BADGE:.6g} %"
# The labels of rows, each with its meaning for the reader.
LABELS = {
    STAR: f"keeps {100 * BADGE:.6g} % of the reference's quality",
    "verified": "measured again on another kind of machine: the speed-up there lies within this interval",
    "self-reported": "measured on one kind of machine so far: `breakeven verify` measures it on another one",
    "estimated": "the energy is the profile's watts times the time, not measured: never ranked against a measurement",
    "gate uncertain": "the 95 % interval of the quality kept includes the gate: more test samples would decide",
    "open": "below the quality gate or over a limit: shown, not ranked",
    "contended": "other programs used the machine while it was timed: shown, not ranked; measure it again alone",
    "unstable": "the speed-up differs between processes by more than 5 %: `mode: full` times more processes",
    "not timed alone": "trained beside other jobs: its time is shown, not ranked",
    "no reference": "its reference is missing or failed, so the row cannot be compared",
}
# The ways in which a cell may end, each with the remedy.
STATUSES = {
    Status.OK: "measured: the row has its figures",
    Status.UNSUPPORTED: "the method or the runtime does not support this task: use the alternative in the reason",
    Status.OUT_OF_MEMORY: "it needed more memory than the profile has: take a larger profile or a smaller batch",
    Status.DIVERGED: "the loss was not finite: lower the learning rate, or change the method's parameters",
    Status.TIMEOUT: "it took longer than `timeout_min` of the grid: raise it, or take a smaller model",
    Status.NO_HARDWARE: "this machine lacks hardware that the profile needs: run it on another machine",
    Status.METHOD_ERROR: "the method's or the runtime's own code failed: see the job's log and correct the method",
    Status.INFRA_ERROR: "the disk, the network or the system failed repeatedly: repair it and run again",
}
FLAGS = {"contended": (True, "contended"), "unstable": (True, "unstable"), "timed_alone": (False, "not timed alone")}


def notes(row: pd.Series) -> list[str]:
    """The reasons why a row of a ranked frame has no rank, and its warnings: its status, or keys of LABELS."""
    if row["board"] == "gap":
        return [str(row["status"])]
    labels = []
    if pd.isna(row["quality_ratio"]):
        labels.append("no reference")
    elif row["board"] == "open":
        labels.append("open")
    if row.get("gate_uncertain"):
        labels.append("gate uncertain")
    return labels + [text for flag, (bad, text) in FLAGS.items() if row.get(flag) == bad]


def badges(row: pd.Series) -> list[str]:
    """The quality badge of a row of the inference board, and the labels of its provenance: keys of LABELS."""
    labels = [STAR] if row.get("badge") else []
    if row["board"] != "gap" and "verified" in row and row.get("chain") != REFERENCE:
        labels.append("verified" if row["verified"] else "self-reported")
    return labels + (["estimated"] if row.get("energy_method") == ESTIMATE else [])


HELPED = "helped"  # the first word of a good verdict


def verdict(row: pd.Series) -> tuple[str, str]:
    """Judge whether its chain helped a row of a ranked frame: a verdict, and the reason in figures.

    A chain helped if its row is on the closed board and is smaller, or faster beyond doubt. A compression is judged by
    its gain over the uncompressed model in the same runtime, so it gets no credit for the runtime's own gain.
    """
    if row["board"] == "gap":
        return "failed", f"{row['status']}: {row['reason']}"
    if row["chain"] == REFERENCE:
        return "the reference", "all other rows are compared with it"
    if pd.isna(row["quality_ratio"]):
        return "not judged", LABELS["no reference"]
    if row["board"] == "open":
        return "below the quality gate", f"it keeps {percent(row['quality_ratio'])} of the quality"
    if pd.notna(row["contended"]) and row["contended"]:
        return "not judged", LABELS["contended"]
    speed, why_speed = _speed(row)
    size, why_size = _smaller(row)
    words = [word for word in (speed, size) if word]
    why = "; ".join(text for text in (why_speed, why_size) if text)
    if size or speed == "faster":
        return f"{HELPED}: {', '.join(words)}", why
    return ("not judged" if speed is None else "no gain"), why


def _speed(row: pd.Series) -> tuple[str | None, str]:
    """The word faster or slower, if beyond doubt, "" for neither, None where unknown; and the figures."""
    runtime = row["method"] == REFERENCE
    name, interval = ("speedup", SPEEDUP_INTERVAL) if runtime else ("compression_speedup", COMPRESSION_INTERVAL)
    low, high = (row[end] for end in interval)
    over = "fp32 in eager" if runtime else f"fp32 in {row['runtime']}"
    if pd.isna(row[name]):
        return None, f"{over} was not measured on this board"
    if pd.isna(low) or pd.isna(high):
        return None, f"{times(row[name])} over {over}, without an interval"
    text = f"{times(row[name])} ({span(low, high, times)}) over {over}"
    return (
        ("faster", text) if low > 1 else ("slower", text) if high < 1 else ("", f"{text}: no difference beyond doubt")
    )


def _smaller(row: pd.Series) -> tuple[str, str]:
    """The word smaller, or smaller packed, if by more than 2 %, "" for neither; and the figure. Sizes have no noise."""
    own = "" if row["method"] == REFERENCE else "compression_"
    for name, word in (("size_ratio", "smaller"), ("packed_ratio", "smaller packed")):
        if row[own + name] > 1 + SAME:
            return word, f"its file is {times(row[own + name])} {word}"
    return "", ""


def place(row: pd.Series) -> str:
    """A rank, followed by = if it is shared."""
    return GAP if pd.isna(row["rank"]) else f"{row['rank']}{'=' if row.get('shared') else ''}"


def span(low: float, high: float, show: Callable[[float], str]) -> str:
    """An interval, or GAP without one."""
    return GAP if pd.isna(low) or pd.isna(high) else " – ".join(dict.fromkeys((show(low), show(high))))


def number(value: float) -> str:
    """A number with at least three significant digits."""
    if pd.isna(value):
        return GAP
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def inferences(value: float) -> str:
    """A number of inferences: 12 k, 3.4 M, never."""
    if pd.isna(value):
        return GAP
    if math.isinf(value):
        return "never"
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:,.3g} {unit}"
    return f"{math.ceil(value)}"


def size(value: float) -> str:
    """Bytes as MB."""
    return GAP if pd.isna(value) else f"{value / 1e6:.3g} MB"


def times(value: float) -> str:
    """A ratio to the reference."""
    return GAP if pd.isna(value) else f"{value:.2f}×"


def percent(value: float) -> str:
    """A share."""
    return GAP if pd.isna(value) else f"{value:.1%}"


def quality(value: float) -> str:
    """A quality in four digits, because the gate lies at one per cent."""
    return GAP if pd.isna(value) else f"{value:.4g}"
