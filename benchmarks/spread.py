"""Measure how far a figure moves when the same cell is measured again: the lockstep ratio and the unpaired median.

The cell is a task's own untrained model, exported to ONNX Runtime and timed beside itself in eager PyTorch. It is
measured on an idle machine with one and with two threads, and with one thread while another process keeps a core busy.
Spread is the coefficient of variation (CV) over the repetitions. Both figures come from the same calls.
"""

import argparse
import multiprocessing
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from breakeven import statistics
from breakeven.jobs import forkserver
from breakeven.protocol import MODES, SCENARIOS
from breakeven.stages import modules
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.lockstep import Timing
from breakeven.stages.measure.served_model import Served
from breakeven.trust.calibration.bench import burning
from breakeven.units import registry

CONDITIONS: list[tuple[str, str, type[AbstractContextManager]]] = [
    ("idle", "cpu_1", nullcontext),
    ("idle", "cpu_2", nullcontext),
    ("other core busy", "cpu_1", burning),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="fashion_mnist")
    parser.add_argument("--repetitions", type=int, default=10)
    options = parser.parse_args()
    forkserver.preload()  # timed processes are forked from here
    registry.task(options.task).prepare()
    table = Table("condition", "profile", "scenario", "ratio", "CV of the ratio", "CV of the median", "wall, s each")
    with tempfile.TemporaryDirectory() as folder:
        maker = multiprocessing.get_context("fork").Process(target=make, args=(options.task, Path(folder)))
        maker.start()  # a child computes, because timed processes are forked from here
        maker.join()
        for condition, hardware, load in CONDITIONS:
            began = time.perf_counter()
            with load():
                timings = [repeat(options.task, hardware, Path(folder), seed) for seed in range(options.repetitions)]
            each = (time.perf_counter() - began) / options.repetitions
            for scenario in SCENARIOS:
                ratios = [ratio(timing, scenario) for timing in timings]
                medians = [unpaired(timing, scenario) for timing in timings]
                cells = [
                    condition,
                    hardware,
                    scenario,
                    f"{np.mean(ratios):.3f}×",
                    cv(ratios),
                    cv(medians),
                    f"{each:.1f}",
                ]
                table.add_row(*cells)
                print(*cells, sep="  ", flush=True)
    Console(width=120).print(table)


def make(task_text: str, folder: Path) -> None:
    task = registry.task(task_text)
    model = task.model().eval()
    modules.save_module(model, folder / "model.pt")
    registry.method("onnxruntime").export(model, task.example_inputs(2), folder / "model.onnx")


def repeat(task_text: str, hardware: str, folder: Path, seed: int) -> Timing:
    """Make one whole measurement, as a cell does."""
    cell, reference = Served(folder / "model.onnx", "onnxruntime"), Served(folder / "model.pt", "eager")
    profile = registry.hardware(hardware)
    return lockstep.measure(cell, reference, registry.task(task_text), profile, MODES["quick"], seed)


def ratio(timing: Timing, scenario: str) -> float:
    """Return the speed-up that the row would hold."""
    return statistics.ratio_interval([window.speedup for window in timing.windows[scenario]])[0]


def unpaired(timing: Timing, scenario: str) -> float:
    """Return the cell's own latency [ms], as a harness without a reference would report it."""
    return float(np.median([np.median(window.latencies_ms) for window in timing.windows[scenario]]))


def cv(values: list[float]) -> str:
    return f"{np.std(values, ddof=1) / np.mean(values):.2%}"


if __name__ == "__main__":
    main()
