"""One real run for all tests of this folder: it is killed halfway and resumed."""

from __future__ import annotations

import signal
import subprocess

import pytest
from checkout import Checkout, Run, make_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("workflow") / "checkout")


@pytest.fixture(scope="session")
def run(checkout: Checkout) -> Run:
    grid = ("--configfile", "grid.yaml")
    model = checkout.path / "results/models/mandarin_initials/single_device@cpu_1/seed=0"
    half = checkout.path / "results/artifacts/mandarin_initials/single_device@cpu_1/seed=0/.onnxruntime.tmp"
    command = checkout.command(*grid)
    with (checkout.path / "killed.log").open("w") as log:
        first = subprocess.Popen(command, cwd=checkout.path, env=checkout.environment, stdout=log, stderr=log)
        while not half.exists():  # the training is recorded, and an export of some seconds is running
            try:
                first.wait(timeout=0.1)
                raise AssertionError((checkout.path / "killed.log").read_text())
            except subprocess.TimeoutExpired:
                continue
        first.send_signal(signal.SIGKILL)
        first.wait()
    written = (model / "artifact.json").stat().st_mtime_ns
    return Run(checkout, written, checkout.snakemake(*grid))
