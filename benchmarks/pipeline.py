"""Measure how long a pipeline's stages wait, beside the formula (p - 1) / (m + p - 1) of p stages and m micro-batches.

A step is `pipeline_parallel`'s: forward and backward pass of one training batch by a schedule, in p processes, without
the optimiser. A stage is busy while it computes; bubble = 1 - busy time of all stages / (p · wall time of the step).
The formula holds for stages that take equally long. `uneven` is the bubble of the measured stage times if sending were
free: 1 - m · Σt / (p · (Σt + (m - 1) · max t)). A greater bubble comes from sending, from starting or from other
programs. So run it on an idle machine, where a message takes a tenth of a millisecond instead of a time slice. `work`
is the busy time over that of one micro-batch: smaller batches compute less well, and stages that compute at the same
time share the machine.

All schedules take turns, step by step, in the same processes. Each figure is the median over the rounds.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import distributed
from torch.distributed.pipelining import PipelineStage

from breakeven.method import Batch
from breakeven.units import registry

MICRO_BATCHES = (1, 2, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="movie_sentiment-encoder=minilm")
    parser.add_argument("--hardware", default="cpu_2x1", help="profile whose processes and threads are used")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    task, hardware = registry.task(options.task), registry.hardware(options.hardware)
    task.prepare()
    texts = [f"pipeline_parallel-schedule={s}-micro_batches={m}" for s in ("gpipe", "1f1b") for m in MICRO_BATCHES]
    texts = [text for text in texts if registry.method(text).unsupported(task, hardware) is None]
    fork = multiprocessing.get_context("fork")  # this process itself computes nothing
    here, there = fork.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        ranks = [
            fork.Process(target=run_rank, args=(rank, options, texts, meeting, there))
            for rank in range(hardware.devices)
        ]
        for process in ranks:
            process.start()
        there.close()
        times = here.recv()
        for process in ranks:
            process.join()
    report(texts, times)


def run_rank(rank: int, options: argparse.Namespace, texts: list[str], meeting: Path, pipe) -> None:
    """Run one stage; rank 0 sends the times of all ranks: [ranks, rounds, methods, (wall, busy)] in seconds."""
    hardware, task = registry.hardware(options.hardware), registry.task(options.task)
    torch.set_num_threads(hardware.threads)
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=hardware.devices)
    pl.seed_everything(0, verbose=False)
    methods = [registry.method(text) for text in texts]
    model = methods[0].distribute(task.model().train(), task.example_inputs)
    data = task.datamodule(0)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    busy: list[float] = []
    loss = timed(task.loss, busy)
    with (
        patch.object(PipelineStage, "forward_one_chunk", timed(PipelineStage.forward_one_chunk, busy)),
        patch.object(PipelineStage, "backward_one_chunk", timed(PipelineStage.backward_one_chunk, busy)),
    ):
        steps = [partial(method.gradients, model, loss=loss) for method in methods]
        own = [[step_time(model, step, batch, busy) for step in steps] for _ in range(options.rounds + 1)]
    everyone = [None] * hardware.devices
    distributed.all_gather_object(everyone, own[1:])  # in the first round, stages learn their shapes
    if rank == 0:
        pipe.send(np.array(everyone))
    distributed.destroy_process_group()


def timed(function: Callable, spent: list[float]) -> Callable:
    """Return the same function, which appends the seconds of each call to `spent`."""

    def run(*args, **kwargs):
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent.append(time.perf_counter() - began)

    return run


def step_time(model: torch.nn.Module, step: Callable, batch: Batch, busy: list[float]) -> tuple[float, float]:
    """Return wall and busy seconds of one step in this process, which all processes begin together."""
    model.zero_grad()
    distributed.barrier()
    busy.clear()
    began = time.perf_counter()
    step(*batch)
    return time.perf_counter() - began, sum(busy)


def report(texts: list[str], times: np.ndarray) -> None:
    """Print a line for each schedule and number of micro-batches."""
    stages = len(times)
    walls, busy = times[..., 0].max(0), times[..., 1]  # [rounds, methods], [ranks, rounds, methods]
    bubbles = np.median(1 - busy.sum(0) / (stages * walls), axis=0)
    stage_s = np.median(busy, axis=1)  # [ranks, methods]
    table = Table("schedule", "m", "step, ms", "busy, ms", "slowest ÷ mean", "bubble", "formula", "uneven", "work")
    for i, text in enumerate(texts):
        method, each = registry.method(text), stage_s[:, i]
        m = method.micro_batches
        whole = each.sum() + (m - 1) * each.max()  # m times the time of a pass of all micro-batches
        table.add_row(
            method.schedule,
            str(m),
            f"{np.median(walls[:, i]) * 1e3:.1f}",
            " + ".join(f"{s * 1e3:.1f}" for s in each),
            f"{each.max() / each.mean():.3f}",
            f"{bubbles[i]:.3f}",
            f"{(stages - 1) / (m + stages - 1):.3f}",
            f"{1 - m * each.sum() / (stages * whole):.3f}",
            f"{each.sum() / stage_s[:, 0].sum():.3f}×",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
