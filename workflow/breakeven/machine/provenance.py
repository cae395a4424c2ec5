"""Provenance of a row: the hardware and the software that made it, read on the machine that does the work."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from breakeven import environment
from breakeven.files import digest
from breakeven.hardware import HardwareProfile
from breakeven.machine.limits import cgroup_cores, cgroup_memory_bytes, cpu_model, gpus_found
from breakeven.plugins import REPOSITORY

CPU = Path("/sys/devices/system/cpu")
LIBRARIES = [
    *("numpy", "onnx", "onnxruntime", "onnxscript", "pytorch-lightning", "snakemake", "timm", "torch"),
    *("torch-pruning", "torchmetrics", "torchvision", "transformers"),
]


def now() -> str:
    """The present time in UTC, by ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def provenance(hardware: HardwareProfile) -> dict[str, Any]:
    """The fields of `rows.Provenance` that are constant during a job: all but its times and loads."""
    return {**_machine(), **_software(), **(_gpu() if hardware.accelerator == "cuda" else {})}


def hardware_fingerprint(hardware: HardwareProfile) -> str:
    """A stable hash of the facts that affect speed. Rows with different hashes are never compared."""
    facts = {**_machine(), **(_gpu() if hardware.accelerator == "cuda" else {})}
    matters = ("cpu_model", "cores", "cgroup_cpu_limit", "governor", "turbo", "gpu_model", "gpu_driver")
    profile: list[Any] = [hardware.accelerator, hardware.devices, hardware.nodes, hardware.threads]
    profile += [hardware.network_mbit] if hardware.network_mbit else []
    return digest([profile, [facts.get(name) for name in matters]])


def package_version(name: str) -> str | None:
    """The installed version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _machine() -> dict[str, Any]:
    return {
        "cpu_model": cpu_model(),
        "cores": psutil.cpu_count(),
        "threads_allowed": len(os.sched_getaffinity(0)),
        "ram_bytes": psutil.virtual_memory().total,
        "cgroup_cpu_limit": cgroup_cores(),
        "cgroup_memory_limit_bytes": cgroup_memory_bytes(),
        "kernel": platform.release(),
        "governor": _text(CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "virtualised": "hypervisor" in Path("/proc/cpuinfo").read_text(),
    }


@cache
def _software() -> dict[str, Any]:
    lock = REPOSITORY / "requirements.lock"
    return {
        "python": platform.python_version(),
        "torch": package_version("torch"),
        "libraries": json.dumps({name: package_version(name) for name in LIBRARIES}),
        "config_sha256": os.environ.get(environment.CONFIG_SHA256),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (changes := _git("status", "--porcelain")) is None else bool(changes),
        "executor": "slurm" if environment.SLURM_JOB_ID in os.environ else "local",
        "job_id": os.environ.get(environment.SLURM_JOB_ID),
    }


@cache
def _gpu() -> dict[str, Any]:
    gpus = gpus_found()
    return {"gpu_model": gpus[0].name, "gpu_driver": gpus[0].driver, "gpu_count": len(gpus)} if gpus else {}


def _git(*arguments: str) -> str | None:
    if not (REPOSITORY / ".git").exists():  # a wheel; a repository around its environment is not ours
        return None
    try:
        done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _turbo() -> bool | None:
    boost, no_turbo = _number(CPU / "cpufreq/boost"), _number(CPU / "intel_pstate/no_turbo")
    if boost is not None:
        return bool(boost)
    return None if no_turbo is None else not no_turbo


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text and text.isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
