"""Compare the harness's p50 with the p50 of a bare loop: same model file, same cores, the two taking turns.

The script also prints how long a measured process takes to start after the first one: to fork, with its data at hand,
and to load its model. The model is a task's own and untrained, because its speed does not depend on its weights.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from breakeven.protocol import POOL, SCENARIOS, WARMUP_S, Mode
from breakeven.stages import modules
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.served_model import Served
from breakeven.units import registry

ONE_PAIR = Mode(pairs=1, seconds=1.5, calls=64)  # short turns, because a machine's speed drifts during longer ones


def bare_loop(path: Path, task_text: str, hardware_name: str, batch_size: int, pipe) -> None:
    """Time calls as a user would: load the model, warm up, time one call after another."""
    hardware = registry.hardware(hardware_name)
    torch.set_num_threads(hardware.threads)
    call = registry.method("eager").load(path, hardware)
    inputs = registry.task(task_text).example_inputs(POOL)
    batches = [tuple(x[i : i + batch_size] for x in inputs) for i in range(0, POOL, batch_size)]
    until = time.perf_counter() + WARMUP_S
    while time.perf_counter() < until:
        call(*batches[0])
    latencies: list[float] = []
    while sum(latencies) < ONE_PAIR.seconds * 1e3 or len(latencies) < ONE_PAIR.calls:
        batch = batches[len(latencies) % len(batches)]
        start = time.perf_counter_ns()
        call(*batch)
        latencies.append((time.perf_counter_ns() - start) / 1e6)
    pipe.send(np.median(latencies))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="fashion_mnist")
    parser.add_argument("--hardware", default="cpu_1")
    parser.add_argument("--repetitions", type=int, default=9)
    options = parser.parse_args()
    task, hardware = registry.task(options.task), registry.hardware(options.hardware)
    registry.task(options.task).prepare()
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        saver = fork.Process(target=lambda: modules.save_module(task.model(), path))  # this process computes nothing
        saver.start()
        saver.join()
        served = Served(path, "eager")
        ratios: dict[str, list[float]] = {scenario: [] for scenario in SCENARIOS}
        starts: list[float] = []
        for repetition in range(options.repetitions):
            timing = lockstep.measure(served, served, task, hardware, ONE_PAIR, repetition)
            starts += timing.start_s
            for scenario, batch_size in SCENARIOS.items():
                ours = np.median(timing.windows[scenario][0].latencies_ms)
                bare = in_a_fresh_process(path, options, batch_size)
                ratios[scenario].append(ours / bare)
                print(f"{scenario}: harness {ours:.4f} ms, bare loop {bare:.4f} ms: {ours / bare:.4f}", flush=True)
        for scenario, found in ratios.items():
            spread = f"from {min(found):.3f} to {max(found):.3f}"
            print(f"{scenario}: harness ÷ bare loop, median of {len(found)}: {np.median(found):.4f}, {spread}")
        print(f"start of a measured process after the first: median {np.median(starts[1:]):.3f} s")


def in_a_fresh_process(path: Path, options: argparse.Namespace, batch_size: int) -> float:
    """Return the bare loop's p50 [ms], measured in a process of its own as the harness does."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    loop = fork.Process(target=bare_loop, args=(path, options.task, options.hardware, batch_size, there))
    loop.start()
    p50 = here.recv()
    loop.join()
    return p50


if __name__ == "__main__":
    main()
