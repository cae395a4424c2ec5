"""Checks the processor, the memory and other programs that use them. Without kernel files, a check gives a note."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from breakeven.hardware import HardwareProfile
from breakeven.machine import limits, memory
from breakeven.machine.load import ForeignLoad
from breakeven.machine.provenance import CPU
from breakeven.protocol import is_contended
from breakeven.trust.doctor.finding import Finding, Level, read
from breakeven.units import registry

CPUINFO = Path("/proc/cpuinfo")
SWAPPINESS = Path("/proc/sys/vm/swappiness")
CALM = 10  # the highest swappiness at which the kernel keeps the memory of programs
LOOK_S = 1.0  # the time in which other programs are watched
STOLEN_PERCENT = 1.0  # of the time since the start; above it, a virtual machine's neighbours give a warning
SWAPPED_BYTES = 64 * 2**20  # in swap; the system itself puts less than this there at its start
BUSY_S = 0.02  # of a core; processes that use less are not named


def governor(cpu: Path = CPU) -> Finding:
    """Check the kernel's choice of the clock."""
    found = Counter(filter(None, (read(p) for p in cpu.glob("cpu[0-9]*/cpufreq/scaling_governor"))))
    if not found:
        return Finding("governor", Level.NOTE, "cannot be read: the firmware or a hypervisor sets the clock")
    names = ", ".join(f"{name} on {cores} cores" for name, cores in found.most_common())
    if set(found) == {"performance"}:
        return Finding("governor", Level.OK, names)
    return Finding(
        "governor",
        Level.WARNING,
        f"{names}: the clock follows the load, so calls after a pause are slower",
        "sudo cpupower frequency-set -g performance",
    )


def turbo(cpu: Path = CPU) -> Finding:
    """Check for clocks above the nominal clock."""
    for file, on, off in ((cpu / "cpufreq/boost", "1", "0"), (cpu / "intel_pstate/no_turbo", "0", "1")):
        if value := read(file):
            if value != on:
                return Finding("turbo", Level.OK, "off")
            found = "on: the clock depends on the temperature and on how many cores are busy"
            return Finding("turbo", Level.WARNING, found, f"echo {off} | sudo tee {file}")
    return Finding("turbo", Level.NOTE, "cannot be read: the firmware or a hypervisor sets the clock")


def siblings(cpu: Path = CPU) -> Finding:
    """Check for several hardware threads on one core (SMT)."""
    active = read(cpu / "smt/active")
    if active == "1":
        found = "on: a program on the other thread of a core slows this one, and the load does not show it"
        return Finding("siblings", Level.NOTE, found, f"echo off | sudo tee {cpu / 'smt/control'}")
    if active == "0":
        return Finding("siblings", Level.OK, "one thread per core")
    return Finding("siblings", Level.NOTE, "cannot be read: cores may be threads of one core")


def cores() -> Finding:
    """Check the cores that this process may use."""
    allowed, there = sorted(os.sched_getaffinity(0)), psutil.cpu_count() or 1
    if len(allowed) == there:
        return Finding("cores", Level.OK, f"all {there} may be used")
    found = f"{len(allowed)} of {there} may be used: {', '.join(map(str, allowed))}"
    return Finding("cores", Level.NOTE, found, "for the others, run without taskset, or ask the batch system for them")


def quota() -> Finding:
    """Check the limit that a container sets on the time of its cores."""
    limit, allowed = limits.cgroup_cores(), len(os.sched_getaffinity(0))
    if limit is None or limit >= allowed:
        return Finding("quota", Level.OK, "no limit on the time of the cores")
    found = f"the time of {limit:g} cores, spread over {allowed}: the kernel stops a call that has used up its share"
    return Finding(
        "quota", Level.WARNING, found, "give whole cores instead: docker run --cpuset-cpus=0-1, not --cpus=2"
    )


def virtual(cpuinfo: Path = CPUINFO) -> Finding:
    """Check for a virtual machine, and for the time that its neighbours took."""
    if "hypervisor" not in read(cpuinfo):
        return Finding("virtual", Level.OK, "no hypervisor found")
    times = psutil.cpu_times()
    stolen = 100 * getattr(times, "steal", 0.0) / sum(times)
    found = f"a virtual machine: {stolen:.2g} % of its time since the start went to neighbours"
    level = Level.WARNING if stolen > STOLEN_PERCENT else Level.NOTE
    return Finding("virtual", level, found, "publish figures of a machine that only you use")


def free_memory() -> Finding:
    """Check that the memory suffices for the smallest CPU profile."""
    free, limit = psutil.virtual_memory().available / 2**30, limits.cgroup_memory_bytes()
    needed = min((p.memory_gib * p.devices for p in _profiles().values() if p.accelerator == "cpu"), default=0.0)
    found = f"{free:.1f} GiB are free" + ("" if limit is None else f"; a container's limit is {limit / 2**30:.1f} GiB")
    if free < needed:
        return Finding(
            "memory", Level.PROBLEM, f"{found}; no profile needs less than {needed:g}", "end programs that hold memory"
        )
    return Finding("memory", Level.OK, found)


def swap(swappiness: Path = SWAPPINESS) -> Finding:
    """Check for memory that the kernel moves to the disk."""
    state, eager = psutil.swap_memory(), read(swappiness)
    if not state.total:
        return Finding("swap", Level.OK, "none")
    if state.used > SWAPPED_BYTES:
        found = f"{state.used / 2**30:.1f} GiB are swapped out: calls that need them wait for the disk"
        return Finding("swap", Level.WARNING, found, "sudo swapoff -a && sudo swapon -a")
    if eager.isdecimal() and int(eager) > CALM:
        found = f"hardly used; swappiness is {eager}: the kernel may move a model that waits for its turn to the disk"
        return Finding("swap", Level.NOTE, found, f"sudo sysctl vm.swappiness={CALM}")
    return Finding("swap", Level.OK, f"{state.used / 2**20:.0f} MiB used")


def peaks() -> Finding:
    """Check that peaks of memory can be measured."""
    try:
        memory.reset_peak()
    except OSError as error:
        found = f"peaks of memory cannot be measured: /proc/self/clear_refs: {error.strerror}"
        remedy = "use a container that is not a sandbox, on a kernel with CONFIG_PROC_PAGE_MONITOR"
        return Finding("peaks", Level.PROBLEM, found, remedy)
    return Finding("peaks", Level.OK, "peaks of memory can be measured")


def load(wait: Callable[[], None] = lambda: time.sleep(LOOK_S)) -> Finding:
    """Check for other programs that use the machine now."""
    before = _used()
    with ForeignLoad() as foreign:
        wait()
    taken = [(name, seconds - before.get(key, ("", 0.0))[1]) for key, (name, seconds) in _used().items()]
    busiest = sorted((each for each in taken if each[1] > BUSY_S), key=lambda each: -each[1])[:3]
    names = ", ".join(f"{name} {100 * seconds / foreign.elapsed_s:.0f} % of a core" for name, seconds in busiest)
    found = f"others use {foreign.percent:.1f} % of the machine" + (f": {names}" if names else "")
    if is_contended(foreign.percent):
        remedy = "end them, or wait: figures measured now are flagged as contended, and not ranked"
        return Finding("load", Level.PROBLEM, found, remedy)
    return Finding("load", Level.OK, found)


def _used() -> dict[object, tuple[str, float]]:
    """The name and the core time [s] of each other process, and of a virtual machine's neighbours.

    Names cannot be keys, since the kernel's workers change theirs all the time.
    """
    used: dict[object, tuple[str, float]] = {"steal": ("neighbours", getattr(psutil.cpu_times(), "steal", 0.0))}
    for process in psutil.process_iter(["name", "create_time", "cpu_times"]):
        info, times = process.info, process.info["cpu_times"]
        if process.pid != os.getpid() and times is not None:
            used[process.pid, info["create_time"]] = (f"{info['name']} ({process.pid})", times.user + times.system)
    return used


def profiles() -> Finding:
    """Check for profiles that this machine can provide."""
    missing = {name: limits.missing(profile) for name, profile in _profiles().items()}
    given = ", ".join(name for name, reason in missing.items() if reason is None)
    gaps = "".join(f"; {name}: {reason}" for name, reason in missing.items() if reason)
    remedy = "write a profile that this machine can give: hardware/cpu_1.yaml shows every key"
    if not given:
        return Finding("profiles", Level.PROBLEM, f"none can be given{gaps}", remedy)
    return Finding("profiles", Level.NOTE if gaps else Level.OK, f"{given} can be given{gaps}")


def _profiles() -> dict[str, HardwareProfile]:
    return {name: registry.hardware(name) for name in registry.units("hardware")}
