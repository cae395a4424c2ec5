"""What each figure on the boards is: how it is measured, its unit, its interval, and where it is null and why."""

from __future__ import annotations

import streamlit as st
from views import details, shared
from views.labels import COLOURS

from breakeven import protocol, statistics
from breakeven.errors import Status
from breakeven.protocol import PROTOCOL_VERSION, SAME
from breakeven.scoring import ratios
from breakeven.scoring.cheapest import UNITS
from breakeven.scoring.wording import LABELS, STATUSES


def show() -> None:
    shared.heading(
        "Protocol",
        f"What each figure is, how it is measured, its unit, its interval, and where it is a gap and why. Protocol"
        f" version {PROTOCOL_VERSION}: rows of another version are never ranked with these.",
    )
    timing()
    quality()
    resources()
    energies()
    costs()
    ranks()
    overall_boards()
    trainings()
    statuses()
    labels()


def percent(share: float) -> str:
    """A constant as it is."""
    return f"{100 * share:.6g} %"


def timing() -> None:
    needed = ", ".join(f"{statistics.calls_needed(p)} for {name}" for name, p in details.PERCENTILES.items())
    st.header("Time", divider="gray")
    st.markdown(
        f"""
**In lockstep.** Every method is timed beside its reference: the same trained model as fp32 in eager PyTorch, on the
same hardware and with the same batch. Both processes are alive and take turns of about 100 ms, on real test inputs. A
machine that speeds up or slows down does so for both. Each pair of processes is fresh; nothing else runs beside it.

- **Speed-up** [×]: the reference's time over the method's, formed turn by turn; the median of a pair of processes, the
  geometric mean over pairs. *Interval*: 95 %, Student's t over the pairs' logarithms. *Null* where the cell failed. The
  reference's own is 1 by definition; its row page tells what it came out at.
- **Latency p50, p90, p99** [ms] of one call: the median over processes. Each is an upper bound of its percentile at
  {percent(protocol.CONFIDENCE)} confidence (MLPerf's early-stopping bound), so it has no interval of its own. On the
  boards the interval of a latency is that of its speed-up, on the scale of the latency. *Null* where a process made too
  few calls: {needed}.
- **Throughput** [samples/s]: all samples over all time, never a mean of rates. Interval as for the latency.
- **A call** is what a user would have of the inputs: one call of the model, or all the calls that make an answer, such
  as a whole translation, word by word.
- **Lengths.** Where samples differ in length, a batch is cut to its longest, and the inputs come in an order in which
  any few calls in a row have nearly the lengths of all. The row has the unit, and the tenth, half, nine tenths and all
  of the samples at most as long; *null* where all are of one length.
- **Scenarios.** {shared.SCENARIOS["single_stream"]}: latency. {shared.SCENARIOS["offline"]}: throughput.
- **Foreign load** [%]: what other programs used of the machine meanwhile. Above 5 % of all cores, or above half a
  core, the row is contended.
- **Quick and full** timing differ in the number of pairs and in how long each is timed: the row has both.
"""
    )


def quality() -> None:
    st.header("Quality", divider="gray")
    st.markdown(
        f"""
- **Quality** [the metric's unit]: on the whole test set, on the very file that is timed; the timed process must give
  the evaluation's outputs again. *Interval*: 95 %, bootstrap over test samples: 1,000 resamples; 100 where the metric
  is more than sums over its samples, such as a mean average precision.
- **Other metrics**: what else the field reports of the task, by name. Shown beside the quality, never ranked, without
  an interval. *Null* where there is none.
- **Quality kept** [%]: the method's quality over its reference's, error metrics inverted first. *Interval*: 95 %, on
  the same resampled test samples for both, which is narrower than two intervals side by side. *Null* without a
  reference.
- **The gate**: {percent(protocol.GATE)} kept puts a row on the closed board, which is ranked; the others are open,
  and shown. It is a point estimate: where the interval has the gate inside, the row is marked as uncertain.
  {percent(protocol.BADGE)} earns a badge.
"""
    )


def resources() -> None:
    st.header("Memory, arithmetic, size", divider="gray")
    st.markdown(
        """
- **Memory** [MB]: the kernel's high-water mark, in a pass of its own; *above imports* is without what Python and its
  libraries take. One reading: no interval. On CUDA also what was allocated and reserved on the device.
- **Arithmetic** [FLOP] of one sample, two for each multiply-add; *non-zero* leaves out weights that are zero. An exact
  count: no interval. *Null* where an operation cannot be counted.
- **By arithmetic** [×], the theoretical speed-up: the reference's operations over the method's non-zero ones. It stands
  beside the measured speed-up because the two differ: zeros that the hardware does not skip save nothing.
- **Size** [MB] of the file that a user would ship. An exact count: no interval.
"""
    )


def energies() -> None:
    st.header("Energy", divider="gray")
    st.markdown(
        f"""
**Energy per sample** [mJ], in the same turns as the times, and its **gain** [×] over the reference, paired like the
speed-up, with a 95 % interval over pairs of processes. The method says whose word it is:

- `{protocol.RAPL}`: the processor's own counters. `{protocol.NVML}`: the GPU's. These are measurements.
- `{protocol.ESTIMATE}`: the profile's watts times the time. It is time by another name, carries the badge *estimated*,
  and is never ranked against a measurement.
- `{protocol.NONE}`: nothing counts it, and the profile states no watts. The figures are *null*, never 0.
"""
    )


def costs() -> None:
    st.header("Cost and break-even", divider="gray")
    st.markdown(
        f"""
With T in hours and R the price of an hour of the hardware, the same formulas count {", ".join(UNITS.values())}: the
price is US$ from the profile, with source and date; or what the hardware draws; or 1. In full in `docs/cost.md`.
"""
    )
    st.latex(r"C = T_\text{train} R_\text{train} + T_\text{inference} R_\text{inference}")
    st.latex(
        r"C_\text{compressed} = \underbrace{T_\text{train,0} R_\text{train,0} + T_\text{inference,0}"
        r" R_\text{inference,0}}_{\text{spent before}} + T_\text{train,comp} R_\text{train,comp}"
        r" + T_\text{inference,comp} R_\text{inference,comp}"
    )
    st.markdown("After **N\\*** inferences the compression has paid for its own work; *never* where it saves nothing:")
    st.latex(
        r"N^* = \frac{T_\text{train,comp} R_\text{train,comp}}{c_0 - c_\text{comp}} \quad\text{where } c_\text{comp} <"
        r" c_0, \qquad c = \text{cost of one inference}"
    )
    st.markdown(
        """
- **To make it**: compressing with its fine-tuning, and the export. What the original's training cost is spent either
  way and does not move N\\*.
- **c of a method** is the original's over the paired speed-up (in joules, over the energy gain where that is measured),
  so that a machine whose speed drifts cannot make a method pay off.
- *Interval* of N\\* and of a total: at both ends of the interval of that ratio. An interval from a number to *never*
  leaves open whether it pays off. *Null* where a price, a power or a time is unknown.
- **Cheapest for N**: the lowest total among rows within the quality gate and the limits. It ties with those that the
  measurement cannot tell from it, as ranks are told apart.
"""
    )


def ranks() -> None:
    key = ", ".join(f"`{name}`" for name in ratios.KEY)
    st.header("Ranks and ties", divider="gray")
    st.markdown(
        f"""
- **What may be compared**: rows that are equal in {key}. Nothing is ranked across.
- **Order**: by the chosen cost, among rows of the closed board that were measured without foreign load. Budgets take
  rows that are over a limit, or lack its figure, off the closed board, and the ranks are made anew.
- **Ties**: the cheapest row leads. Another shares its rank, written as `2=`, unless it costs over {percent(SAME)} more
  *and* the 95 % interval of the ratio of the two costs excludes 1 ({protocol.DRAWS:,} seeded draws). The first that
  does not share leads the next rank. A cost without an interval is told apart by the {percent(SAME)} alone.
- **Ratios** are the reference's cost over the row's: above 1 is better. None is stored.
- **Pareto front**: rows that no other beats in both quality and cost, contended rows left out.
"""
    )


def overall_boards() -> None:
    st.header("Overall score", divider="gray")
    st.markdown(
        f"""
AlgoPerf's: on each task a method's cost is divided by the lowest there, r; ρ(τ) is the share of tasks with r ≤ τ. The
score is the mean of ρ over τ from 1 to r_max = {protocol.R_MAX:g}. A task where the method failed, is missing, was
contended or misses the gate counts as infinitely far: **coverage** n/m says on how many it does not. The **gain** is
the geometric mean of the ratios to the reference over the tasks that every covered method has, with their number.
A board needs two tasks. Raw metrics of different tasks are never averaged.
"""
    )
    st.latex(r"\rho(\tau) = \frac{|\{t : r_t \le \tau\}|}{m} \qquad \text{score} = \frac{1}{r_\text{max} - 1}"
             r"\int_1^{r_\text{max}} \rho(\tau)\, d\tau")  # fmt: skip


def trainings() -> None:
    st.header("Training board", divider="gray")
    st.markdown(
        f"""
- **Time** [s] for the fixed budget of the task, evaluation and start-up off the clock, timed alone. One run has no
  interval. **To target** [s]: until the task's quality target; *missed* where the run ended below it.
- **Efficiency**: t(1) / (N · t(N)) on the same kind of device with the same global batches. *Null* without the
  single-device run.
- **Link** [Mbit/s] between the processes, where the hardware profile throttles it; what they **sent** [B], read from
  the counters of a network of their own, *null* where the machine gives none; **memory per process** [B], of the one
  that held most while training, above the imports.
- Ranked are runs whose quality lies within {percent(1 - protocol.GATE)} of the single-device run's.
- **Energy** [J] of the training; *null* where others ran beside it.
"""
    )


def statuses() -> None:
    st.header("Statuses", divider="gray")
    st.markdown("Every cell ends as a row. A failed one is shown as a gap, with its own reason to act on.")
    for status in Status:
        colour = "green" if status == Status.OK else "red"
        st.markdown(f":{colour}-badge[{status}] {STATUSES[status]}")


def labels() -> None:
    st.header("Badges and flags", divider="gray")
    for label, meaning in LABELS.items():
        st.markdown(f":{COLOURS.get(label, 'gray')}-badge[{label}] {meaning}")


show()
