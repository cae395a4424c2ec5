"""Explains each figure of the boards: how it is measured, its unit, its interval, and when it is null.

Every number comes from `breakeven.protocol` or is computed from it.
"""

from __future__ import annotations

import streamlit as st
from views import details, shared
from views.labels import COLOURS
from views.shared import exact

from breakeven import protocol, statistics
from breakeven.errors import Status
from breakeven.scoring import ratios
from breakeven.scoring.cheapest import UNITS
from breakeven.scoring.wording import LABELS, STATUSES


def show() -> None:
    shared.heading(
        "Protocol",
        "How each figure is measured, its unit, its interval, and when it is a gap. This is protocol version"
        f" {protocol.PROTOCOL_VERSION}. Rows of another version are never ranked together with rows of this one.",
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


def timing() -> None:
    needed = ", ".join(f"{statistics.calls_needed(p)} for {name}" for name, p in details.PERCENTILES.items())
    modes = "; ".join(f"*{name}*, {described(mode)}" for name, mode in protocol.MODES.items())
    scenarios = "; ".join(
        f"{shared.SCENARIOS[name]}, batch {size}: {ratios.COSTS[ratios.SCENARIO_COST[name]].label.lower()}"
        for name, size in protocol.SCENARIOS.items()
    )
    confidence, percent, cores = exact(protocol.CONFIDENCE), protocol.CONTENDED_PERCENT, protocol.CONTENDED_CORES
    st.header("Time", divider="gray")
    st.markdown(
        f"""
**In lockstep.** Every method is timed beside its reference. The reference is the same trained model as fp32 in eager
PyTorch, on the same hardware and with the same batch. Both processes are alive at the same time. They take turns of
about {1000 * protocol.BURST_S:g} ms, on real test inputs. A machine that speeds up or slows down does so for both. Each
pair of processes is new. No other job of the run is active meanwhile.

- **Speed-up** [×]: the reference's time divided by the method's. It is the median over the turns of a pair of
  processes, then the geometric mean over the pairs. *Interval*: 95 %, Student's t on the logarithms of the pairs.
  *Null* where the cell failed. The reference's own speed-up is 1 by definition; its row page shows the measured one.
- **Latency p50, p90, p99** [ms] of one call: the median over processes. Each is an upper bound of its percentile at
  {confidence} confidence (MLPerf's early-stopping bound), so it has no interval of its own. The interval shown on the
  boards is that of the speed-up, on the scale of the latency. *Null* where a process made too few calls. The calls
  needed are {needed}.
- **Throughput** [samples/s]: all samples divided by all time, never a mean of rates. Its interval is formed like that
  of the latency.
- **A call** gives a user the whole answer for its inputs. It is one call of the model, or all calls that make an
  answer, such as a translation that is written word by word.
- **Lengths.** Where samples differ in length, each batch is cut to its longest sample. The order of the inputs mixes
  lengths evenly, so that any few calls in a row represent all. The row has the unit, the 10th, 50th and 90th
  percentile, and the maximum. *Null* where all samples have the same length.
- **Scenarios.** {scenarios}.
- **Foreign load** [%]: the share of the machine that other programs used while the row was timed. Above {percent:g} %
  of all cores, or above {cores:g} of one core, the row is contended.
- **Modes** set the number of pairs of processes and how long each process is timed per scenario: {modes}. The row has
  its mode.
"""
    )


def described(mode: protocol.Mode) -> str:
    """A mode's figures in words."""
    return f"{mode.pairs} pairs, at least {mode.seconds:g} s and {mode.calls} calls of single samples"


def quality() -> None:
    resamples, slow = f"{protocol.RESAMPLES:,}", f"{protocol.SLOW_RESAMPLES:,}"
    st.header("Quality", divider="gray")
    st.markdown(
        f"""
- **Quality** [the metric's unit]: measured on the whole test set, with the same file that is timed. The timed process
  must give the same outputs as the evaluation. *Interval*: 95 %, bootstrap over test samples with {resamples}
  resamples, or {slow} where the metric is not a sum over samples, such as a mean average precision.
- **Other metrics**: further metrics that the field reports for the task, by name. They are shown beside the quality,
  never ranked, and have no interval. *Null* where there is none.
- **Quality kept** [%]: the method's quality divided by its reference's. Error metrics are inverted first. *Interval*:
  95 %, with the same resampled test samples for both, so it is narrower than two separate intervals suggest. *Null*
  without a reference.
- **The gate**: a row that keeps {exact(protocol.GATE)} is on the closed board, which is ranked. The other rows are
  open: they are shown and not ranked. The gate compares the point estimate. Where the gate lies inside the interval,
  the row is marked as uncertain. A row that keeps {exact(protocol.BADGE)} earns a badge.
"""
    )


def resources() -> None:
    st.header("Memory, arithmetic, size", divider="gray")
    st.markdown(
        """
- **Memory** [MB]: the kernel's high-water mark, read in a pass of its own. *Above imports* leaves out the memory that
  Python and its libraries take. It is one reading and has no interval. On CUDA, rows also have the memory allocated and
  reserved on the device.
- **Arithmetic** [FLOP] of one sample: a multiply-add counts as two operations. *Non-zero* leaves out weights that are
  zero. It is an exact count and has no interval. *Null* where an operation cannot be counted.
- **By arithmetic** [×], the theoretical speed-up: the reference's operations divided by the method's non-zero ones. It
  stands beside the measured speed-up because the two differ: hardware that does not skip zeros saves no time by them.
- **Size** [MB] of the file that a user would ship. It is an exact count and has no interval.
"""
    )


def energies() -> None:
    st.header("Energy", divider="gray")
    st.markdown(
        f"""
**Energy per sample** [mJ] is measured in the same turns as the times. Its **gain** [×] over the reference is paired
like the speed-up, with a 95 % interval over pairs of processes. The column `energy_method` names the source:

- `{protocol.RAPL}`: the processor's own counters. `{protocol.NVML}`: the GPU's. These are measurements.
- `{protocol.ESTIMATE}`: the profile's watts times the time. It carries no information beyond the time, has the badge
  *estimated*, and is never ranked against a measurement.
- `{protocol.NONE}`: this machine counts no energy, and the profile states no watts. The figures are *null*, never 0.
"""
    )


def costs() -> None:
    units = shared.plain(", ".join(UNITS.values()))
    st.header("Cost and break-even", divider="gray")
    st.markdown(
        f"""
T is a time in hours, and R is the price of an hour of the hardware. The same formulas count {units}: R is the
profile's price in dollars, with source and date, or the power that the hardware draws, or 1. `docs/cost.md` derives
them.
"""
    )
    st.latex(r"C = T_\text{train} R_\text{train} + T_\text{inference} R_\text{inference}")
    st.latex(
        r"C_\text{compressed} = \underbrace{T_\text{train,0} R_\text{train,0} + T_\text{inference,0}"
        r" R_\text{inference,0}}_{\text{spent before}} + T_\text{train,comp} R_\text{train,comp}"
        r" + T_\text{inference,comp} R_\text{inference,comp}"
    )
    st.markdown(
        "The break-even point **N\\*** is the number of inferences after which the compression has paid for its own"
        " work. It is *never* where the compression saves nothing:"
    )
    st.latex(
        r"\rule[-1em]{0pt}{2.6em}"  # height for the fraction, whose upper edge the page cuts off otherwise
        r"N^* = \frac{T_\text{train,comp} R_\text{train,comp}}{c_0 - c_\text{comp}} \quad\text{where } c_\text{comp} <"
        r" c_0, \qquad c = \text{cost of one inference}"
    )
    st.markdown(
        """
- **To make it**: compressing, with its fine-tuning, and the export. The cost of training the original is spent either
  way and does not move N\\*.
- **c of a method** is the original's c divided by the paired speed-up. In joules it is divided by the energy gain where
  that is measured. So a machine whose speed drifts cannot make a method pay off.
- *Interval* of N\\* and of a total: both are computed at both ends of the interval of that ratio. An interval from a
  number to *never* leaves open whether the method pays off. *Null* where a price, a power or a time is unknown.
- **Cheapest for N**: the lowest total among rows within the quality gate and the limits. Ties follow the same rule as
  the ranks below.
"""
    )


def ranks() -> None:
    key, tie = ", ".join(f"`{name}`" for name in ratios.KEY), exact(protocol.SAME)
    st.header("Ranks and ties", divider="gray")
    st.markdown(
        f"""
- **Boards**: only rows that are equal in {key} are compared.
- **Order**: by the chosen cost, among rows of the closed board that were measured without foreign load. A budget
  removes the rows that exceed it or lack its figure from the closed board. The other rows are then ranked anew.
- **Ties**: the cheapest row leads. Another row shares its rank, written as `2=`, unless it costs over {tie} more
  *and* the 95 % interval of the ratio of the two costs excludes 1 (Cochran and Cox 1950). The first row that
  does not share the rank leads the next rank. For a cost without an interval, the {tie} alone decide.
- **Ratios** are the reference's cost divided by the row's, so above 1 is better. They are computed and never stored.
- **Pareto front**: the rows that no other row beats in both quality and cost. Contended rows are left out.
"""
    )


def overall_boards() -> None:
    st.header("Overall score", divider="gray")
    st.markdown(
        f"""
The score is AlgoPerf's. On each task, r is a method's cost divided by the lowest cost there; ρ(τ) is the share of tasks
with r ≤ τ. The score is the mean of ρ over τ from 1 to r_max = {protocol.R_MAX:g}. A task counts as infinitely far
where the method failed, is missing, was contended or misses the gate. **Coverage** n/m is the number of tasks where
none of this happened, of all tasks. The **gain** is the geometric mean of the ratios to the reference over the tasks
that every covered method has; their number stands beside it. A board needs at least two tasks. Raw metrics of different
tasks are never averaged.
"""
    )
    st.latex(r"\rho(\tau) = \frac{|\{t : r_t \le \tau\}|}{m} \qquad \text{score} = \frac{1}{r_\text{max} - 1}"
             r"\int_1^{r_\text{max}} \rho(\tau)\, d\tau")  # fmt: skip


def trainings() -> None:
    st.header("Training board", divider="gray")
    st.markdown(
        f"""
- **Time** [s] for the task's fixed budget, without evaluation and start-up, timed alone. One run has no interval.
  **To target** [s]: the time until the task's quality target is reached; *missed* where the run ended below it.
- **Efficiency**: t(1) / (N · t(N)) on the same kind of device with the same global batches. *Null* without the
  single-device run.
- **Link** [Mbit/s] between the processes, where the hardware profile throttles it.
- **Sent** [B]: the bytes that the processes sent, read from the counters of a network of their own. *Null* where the
  machine cannot give them one.
- **Memory per process** [B] above the imports, of the process that held most during training.
- **Ranked** are runs whose quality lies within {exact(1 - protocol.GATE)} of the single-device run's.
- **Energy** [J] of the training. *Null* where other jobs ran beside it.
"""
    )


def statuses() -> None:
    st.header("Statuses", divider="gray")
    st.markdown("Every cell ends as a row. A failed cell is shown as a gap, with its reason and a remedy.")
    for status in Status:
        colour = "green" if status == Status.OK else "red"
        st.markdown(f":{colour}-badge[{status}] {STATUSES[status]}")


def labels() -> None:
    st.header("Badges and flags", divider="gray")
    for label, meaning in LABELS.items():
        st.markdown(f":{COLOURS.get(label, 'gray')}-badge[{label}] {meaning}")


show()
