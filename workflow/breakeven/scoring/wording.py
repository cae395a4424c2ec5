"""Numbers and flags of the boards as text, the same in the terminal and in the dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from breakeven.errors import Status
from breakeven.protocol import BADGE, ESTIMATE, REFERENCE, SAME
from breakeven.scoring.ratios import COMPRESSION_INTERVAL, SPEEDUP_INTERVAL

GAP = "–"  # where there is no number
STAR = f"★ {100 * BADGE:.6g} %"
# Every label that a row may carry, and what it means for the reader.
LABELS = {
    STAR: f"keeps {100 * BADGE:.6g} % of the reference's quality",
    "verified": "measured again on another kind of machine: the speed-up there lies within this interval",
    "self-reported": "measured by one kind of machine only so far: `breakeven verify` measures it again",
    "estimated": "energy is the profile's watts times the time, not measured: never ranked against a measurement",
    "gate uncertain": "the 95 % interval of the quality kept has the gate inside: more test samples would tell",
    "open": "below the quality gate or over a limit: shown, not ranked",
    "contended": "other programs used the machine while it was timed: shown, not ranked; measure it again alone",
    "unstable": "the speed-up differs between processes by more than 5 %: `timing: full` takes more of them",
    "not timed alone": "trained beside other jobs: its time is shown, not ranked",
    "no reference": "its reference is missing or failed, so there is nothing to compare it with",
}
# How a cell may end, and what its reader can do.
STATUSES = {
    Status.OK: "measured: the row has its figures",
    Status.UNSUPPORTED: "the method or the runtime cannot do this task: use the one that the reason names",
    Status.OUT_OF_MEMORY: "it needed more memory than the profile has: take a larger profile, or a smaller batch",
    Status.DIVERGED: "the loss was not finite: lower the learning rate, or change the method's parameters",
    Status.TIMEOUT: "it took longer than `timeout_min` of the grid: raise that, or take a smaller model",
    Status.NO_HARDWARE: "this machine lacks what the profile asks for: run it on one that has it",
    Status.METHOD_ERROR: "the method's or the runtime's own code failed: see the job's log and mend the method",
    Status.INFRA_ERROR: "the disk, the network or the system failed, also when tried again: mend it and run again",
}
FLAGS = {"contended": (True, "contended"), "unstable": (True, "unstable"), "timed_alone": (False, "not timed alone")}


def notes(row: pd.Series) -> list[str]:
    """Why a ranked frame's row has no rank, and what to mind where it has one: its status, or keys of LABELS."""
    if row["board"] == "gap":
        return [str(row["status"])]
    found = []
    if pd.isna(row["quality_ratio"]):
        found.append("no reference")
    elif row["board"] == "open":
        found.append("open")
    if row.get("gate_uncertain"):
        found.append("gate uncertain")
    return found + [text for flag, (bad, text) in FLAGS.items() if row.get(flag) == bad]


def badges(row: pd.Series) -> list[str]:
    """What speaks for a row of the inference board, or says whose word it is: keys of LABELS."""
    found = [STAR] if row.get("badge") else []
    if row["board"] != "gap" and "verified" in row and row.get("chain") != REFERENCE:
        found.append("verified" if row["verified"] else "self-reported")
    return found + (["estimated"] if row.get("energy_method") == ESTIMATE else [])


HELPED = "helped"  # what a verdict begins with where a method paid its way


def verdict(row: pd.Series) -> tuple[str, str]:
    """Whether a ranked frame's row was better off for what its chain does, and why, in figures.

    It helped if it is on the closed board, and faster beyond doubt or smaller. A compression is judged by what it adds
    in its own runtime: what the runtime gives is the runtime's.
    """
    if row["board"] == "gap":
        return "failed", f"{row['status']}: {row['reason']}"
    if row["chain"] == REFERENCE:
        return "the reference", "what all others are compared with"
    if pd.isna(row["quality_ratio"]):
        return "not judged", LABELS["no reference"]
    if row["board"] == "open":
        return "below the quality gate", f"it keeps {percent(row['quality_ratio'])} of the quality"
    if pd.notna(row["contended"]) and row["contended"]:
        return "not judged", LABELS["contended"]
    speed, why_speed = _speed(row)
    size, why_size = _smaller(row)
    found = [word for word in (speed, size) if word]
    why = "; ".join(text for text in (why_speed, why_size) if text)
    if size or speed == "faster":
        return f"{HELPED}: {', '.join(found)}", why
    return ("not judged" if speed is None else "no gain"), why


def _speed(row: pd.Series) -> tuple[str | None, str]:
    """faster or slower beyond doubt, nothing where it is neither, None where that is unknown; with the figures."""
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
    """smaller as it is, or when packed; with the figure. Sizes have no noise: what differs by less is a tie."""
    own = "" if row["method"] == REFERENCE else "compression_"
    for name, word in (("size_ratio", "smaller"), ("packed_ratio", "smaller packed")):
        if row[own + name] > 1 + SAME:
            return word, f"its file is {times(row[own + name])} {word}"
    return "", ""


def place(row: pd.Series) -> str:
    """A rank, with = where it is shared."""
    return GAP if pd.isna(row["rank"]) else f"{row['rank']}{'=' if row.get('shared') else ''}"


def span(low: float, high: float, show: Callable[[float], str]) -> str:
    """An interval, or a gap where there is none."""
    return GAP if pd.isna(low) or pd.isna(high) else " – ".join(dict.fromkeys((show(low), show(high))))


def number(value: float) -> str:
    """Three significant digits at least, no exponent below a thousand million."""
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
    """Four digits: the gate lies at one per cent."""
    return GAP if pd.isna(value) else f"{value:.4g}"
