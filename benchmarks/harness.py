"""The harness's p50 over the p50 of a bare loop: same model file, same cores, the two taking turns.

The model is a task's own, untrained: its speed does not depend on its weights.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from breakeven import compression, measurement, registry
from breakeven.measurement import MODES, Served


def bare_loop(path: Path, task_text: str, hardware_name: str, batch_size: int, pipe) -> None:
    """What a user would write: load, warm up, time calls one after another."""
    hardware = registry.hardware(hardware_name)
    torch.set_num_threads(hardware.threads)
    call = registry.method("eager").load(path, hardware)
    inputs = registry.task(task_text).example_inputs(measurement.POOL)
    batches = [tuple(x[i : i + batch_size] for x in inputs) for i in range(0, measurement.POOL, batch_size)]
    until = time.perf_counter() + measurement.WARMUP_S
    while time.perf_counter() < until:
        call(*batches[0])
    latencies: list[float] = []
    while sum(latencies) < MODES["quick"].seconds * 1e3 or len(latencies) < MODES["quick"].calls:
        batch = batches[len(latencies) % len(batches)]
        start = time.perf_counter_ns()
        call(*batch)
        latencies.append((time.perf_counter_ns() - start) / 1e6)
    pipe.send(np.median(latencies))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="fashion_mnist")
    parser.add_argument("--hardware", default="cpu_1")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    task, hardware = registry.task(options.task), registry.hardware(options.hardware)
    registry.task(options.task).prepare()
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        saver = fork.Process(
            target=lambda: compression.save_module(task.model(), path)
        )  # this process computes nothing
        saver.start()
        saver.join()
        served = Served(path, "eager")
        for scenario, batch_size in measurement.SCENARIOS.items():
            ratios = []
            for repetition in range(options.repetitions):
                timing = measurement.measure(served, served, task, hardware, MODES["quick"], repetition)
                ours = np.median([np.median(w.latencies_ms) for w in timing.windows[scenario]])
                bare = []
                for _ in range(MODES["quick"].pairs):
                    here, there = fork.Pipe()
                    loop = fork.Process(
                        target=bare_loop, args=(path, options.task, options.hardware, batch_size, there)
                    )
                    loop.start()
                    bare.append(here.recv())
                    loop.join()
                ratios.append(ours / np.median(bare))
                print(f"{scenario}: harness {ours:.4f} ms, bare loop {np.median(bare):.4f} ms: {ratios[-1]:.4f}")
            print(f"{scenario}: harness ÷ bare loop, median of {len(ratios)}: {np.median(ratios):.4f}")


if __name__ == "__main__":
    main()
