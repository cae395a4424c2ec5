"""Checks GPUs and energy counters. Asks the driver, never torch."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from breakeven import protocol
from breakeven.hardware import evaluation_profile
from breakeven.machine import energy
from breakeven.machine.limits import gpus_found
from breakeven.trust.doctor.finding import Finding, Level, read

PERSISTENCE = ["nvidia-smi", "--query-gpu=persistence_mode", "--format=csv,noheader"]


def gpu() -> Finding:
    """Check that torch can use the GPUs."""
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", Level.NOTE, "no nvidia-smi, so no NVIDIA GPU or no driver: only CPUs can be measured")
    gpus = gpus_found()
    if not gpus:
        remedy = "run nvidia-smi and read its message; start a container with --gpus all"
        return Finding("GPU", Level.WARNING, "nvidia-smi lists none", remedy)
    found, built, driver = ", ".join(f"{g.name}, driver {g.driver}" for g in gpus), torch_cuda(), driver_cuda()
    if built is None:
        return Finding("GPU", Level.PROBLEM, f"{found}; the installed torch has no CUDA", "make setup")
    if driver is not None and driver < built:
        found += f", made for CUDA {driver}; torch was built for CUDA {built}"
        return Finding("GPU", Level.PROBLEM, found, f"install a driver for CUDA {built} or newer")
    return Finding("GPU", Level.OK, found)


def gpu_clock() -> Finding | None:
    """Check that the driver stays loaded between jobs."""
    if not gpus_found():
        return None
    done = subprocess.run(PERSISTENCE, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode or "Disabled" not in done.stdout:
        return Finding("GPU clock", Level.OK, "persistence mode is on" if "Enabled" in done.stdout else "not readable")
    found = "persistence mode is off: the driver unloads between jobs, and the clock starts low"
    return Finding("GPU clock", Level.WARNING, found, "sudo nvidia-smi -pm 1")


def cpu_energy() -> Finding:
    """Check the processor's energy counters."""
    if energy.Meter(evaluation_profile("cpu")).method == protocol.RAPL:
        return Finding("CPU energy", Level.OK, "is counted by the processor (RAPL)")
    if any(energy.POWERCAP.glob("intel-rapl:*")):
        found = "has counters (RAPL) that this user may not read: it is estimated instead"
        return Finding("CPU energy", Level.WARNING, found, f"sudo chmod a+r {energy.POWERCAP}/intel-rapl*/energy_uj")
    return Finding("CPU energy", Level.NOTE, "no counters (RAPL) here: it is estimated from the profile's watts")


def gpu_energy() -> Finding | None:
    """Check the GPUs' energy counters."""
    if not gpus_found():
        return None
    if energy.Meter(evaluation_profile("cuda")).method == protocol.NVML:
        return Finding("GPU energy", Level.OK, "is counted by the GPU (NVML)")
    remedy = "state watts and watts_source in the hardware profile: energy is then estimated"
    return Finding("GPU energy", Level.WARNING, "is not counted: the GPU is older than Volta, or hides it", remedy)


def torch_cuda() -> int | None:
    """The major CUDA version that the installed torch was built for; None without CUDA."""
    spec = find_spec("torch")  # finds the package without importing it
    text = read(Path(spec.origin).with_name("version.py")) if spec and spec.origin else ""
    found = re.search(r"^cuda\b[^=]*=\s*'(\d+)\.", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def driver_cuda() -> int | None:
    """The newest major CUDA version that the driver supports; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return pynvml.nvmlSystemGetCudaDriverVersion_v2() // 1000
    except pynvml.NVMLError:
        return None
