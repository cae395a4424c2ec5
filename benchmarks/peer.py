"""Compare optimum-benchmark and this harness on the same model, in turns: p50, its spread, wall time per measurement.

The model is the encoder of `movie_sentiment-encoder=minilm` (BERT, 6 layers, d = 384, its pretrained weights), batch 1,
48 tokens, one thread of a CPU, eager PyTorch, the same torch files on both sides. Ours is `lockstep.measure` of the
model beside itself in quick mode: five pairs of processes, each timed for .8 s, in lockstep. Theirs is the default of
its Python interface: `Benchmark.launch` with the process launcher, 10 calls of warm-up, one window of 10 s. Each side's
parent process has imported its libraries before. The wall time is that of the measuring call, with all processes that
it starts. Spread is the coefficient of variation over the repetitions. For ours it is given for the unpaired median
and for the lockstep ratio, the figure that the harness reports and the peer does not have.

Some things differ, so the ratio of the p50s holds these differences too. Theirs times one random input without padding
again and again; ours times real samples padded to 48 tokens, with a mask. Each runs the modelling code of the
transformers version it needs (theirs predates 5). Our head is a masked mean and a linear layer; theirs is BERT's pooler
and a linear layer (less than a thousandth of the arithmetic). Ours also times the reference and watches for foreign
load. Their parent process polls its child without pause, which keeps a second core busy. Neither measures memory,
energy or quality here.

The script installs the peer into a throw-away environment that shares torch and other fitting packages with its own
environment. This needs a package index, some 15 s and 170 MB.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from breakeven import statistics
from breakeven.jobs import forkserver
from breakeven.protocol import MODES
from breakeven.stages import modules
from breakeven.stages.measure import lockstep
from breakeven.stages.measure.served_model import Served
from breakeven.units import registry

TASK, HARDWARE, SCENARIO, TOKENS = "movie_sentiment-encoder=minilm", "cpu_1", {"single_stream": 1}, 48
PEER = "optimum-benchmark==0.6.0"
# Its last release predates transformers 5. It needs datasets 4, which needs an older fsspec than ours.
PINS = [
    PEER,
    *("transformers==4.55.4", "tokenizers==0.21.4", "huggingface_hub==0.36.2", "accelerate==1.9.0"),
    *("datasets==4.0.0", "multiprocess==0.70.16", "dill==0.3.8", "fsspec==2025.3.0"),
]
OFFLINE = {"HF_HUB_OFFLINE": "1", "LOG_TO_FILE": "0", "LOG_LEVEL": "WARNING"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# This program runs in the peer's environment and answers every line with a measurement. 0.6.0 confuses the two numbers
# of threads (`inter_op_num_threads` sets torch's intra-op threads), so both are one.
DRIVER = """
import json, os, sys, time
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # the library's own output goes to the log
from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig

if __name__ == "__main__":
    model, tokens = sys.argv[1], int(sys.argv[2])
    shapes = {"batch_size": 1, "sequence_length": tokens}
    threads = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    what = {"library": "transformers", "task": "text-classification", "model_type": "bert"}
    config = BenchmarkConfig(
        name="peer",
        launcher=ProcessConfig(),
        backend=PyTorchConfig(model=model, device="cpu", **what, **threads),
        scenario=InferenceConfig(input_shapes=shapes, latency=True, memory=False, energy=False),
    )
    print("ready", file=answers)
    for _ in sys.stdin:
        began = time.perf_counter()
        latency = Benchmark.launch(config).forward.latency
        wall_s = time.perf_counter() - began
        print(json.dumps({"p50_ms": latency.p50 * 1e3, "wall_s": wall_s, "timed_s": latency.total}), file=answers)
"""


@dataclass
class Measured:
    """One measurement of one side."""

    p50_ms: float
    wall_s: float
    timed_s: float  # time of the calls whose latencies count
    ratio: float | None = None  # the lockstep ratio, where there is one
    foreign_load_percent: float | None = None  # the worst value, where it was watched


@dataclass
class Side:
    """One harness and its measurements."""

    name: str
    start_s: float  # start of the measuring process with its imports, once for all measurements
    measure: Callable[[int], Measured]  # takes the number of the repetition
    measured: list[Measured] = field(default_factory=list)

    def values(self, name: str) -> list[float]:
        return [getattr(measured, name) for measured in self.measured]

    def median(self, name: str) -> float:
        return float(np.median(self.values(name)))

    def repeat(self, repetition: int) -> None:
        self.measured.append(measured := self.measure(repetition))
        said = [f"p50 {measured.p50_ms:.2f} ms", f"{measured.wall_s:.1f} s"]
        if measured.ratio is not None:
            said.append(f"lockstep ratio {measured.ratio:.4f}")
            said.append(f"foreign load up to {measured.foreign_load_percent:.0f} %")
        print(f"{self.name}: {', '.join(said)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--environment", type=Path, help="keep the peer's environment here, or use the one made before")
    options = parser.parse_args()
    forkserver.preload()  # timed processes are forked from here
    start_s = time.time() - psutil.Process().create_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment((options.environment or folder / "environment").absolute())
        maker = multiprocessing.get_context("fork").Process(target=make, args=(folder,))
        maker.start()  # a child computes, because timed processes are forked from here
        maker.join()
        if maker.exitcode:
            sys.exit(f"{TASK}: could not be prepared, see above")
        ours = Side("ours", start_s, partial(measure, folder))
        with peer(python, folder) as (process, start_s):
            theirs = Side(PEER.replace("==", " "), start_s, lambda _: ask(process, folder))
            for repetition in range(options.repetitions):
                for side in (ours, theirs)[:: -1 if repetition % 2 else 1]:  # each goes first equally often
                    side.repeat(repetition)
    Console(width=120).print(table(ours, theirs))


def environment(folder: Path) -> Path:
    """Return the Python of the peer's environment in `folder`; make the environment unless it is there."""
    python, made = folder / "bin" / "python", folder / "made.json"
    if made.exists() and json.loads(made.read_text()) == PINS:
        return python
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder}: holds no finished environment of {PEER}: delete it, or name another folder")
    began = time.perf_counter()
    venv.create(folder, with_pip=True)
    share_packages(folder)
    install = subprocess.run([python, "-m", "pip", "install", *PINS], capture_output=True, text=True)
    if install.returncode:
        reasons = [line for line in install.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        sys.exit(f"{PEER} cannot be installed: {reasons[-1]}")
    made.write_text(json.dumps(PINS))
    print(f"environment of {PEER}: made in {time.perf_counter() - began:.0f} s", flush=True)
    return python


def share_packages(folder: Path) -> None:
    """Let the environment find the packages beside our torch, after its own packages."""
    torch = importlib.util.find_spec("torch")
    assert torch and torch.origin
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(f"{Path(torch.origin).parents[1]}\n")


def make(folder: Path) -> None:
    """Save the model for each side: our classifier as a module, its encoder under BERT's own head as a folder."""
    from transformers import BertForSequenceClassification

    task = registry.task(TASK)
    task.prepare()
    ours = task.model().eval()
    theirs = BertForSequenceClassification(ours.encoder.config)
    theirs.bert.load_state_dict(ours.encoder.state_dict(), strict=False)  # all but the pooler
    modules.save_module(ours, folder / "model.pt")
    theirs.save_pretrained(folder / "model")


def measure(folder: Path, seed: int) -> Measured:
    """Make one measurement of ours."""
    served = Served(folder / "model.pt", "eager")
    task, hardware = registry.task(TASK), registry.hardware(HARDWARE)
    began = time.perf_counter()
    timing = lockstep.measure(served, served, task, hardware, MODES["quick"], seed, SCENARIO)
    wall_s = time.perf_counter() - began
    (windows,) = timing.windows.values()
    return Measured(
        p50_ms=float(np.median([np.median(window.latencies_ms) for window in windows])),
        wall_s=wall_s,
        timed_s=sum(window.latencies_ms.sum() + window.reference_ms.sum() for window in windows) / 1e3,
        ratio=statistics.ratio_interval([window.speedup for window in windows])[0],
        foreign_load_percent=max(timing.foreign_load_percent.values()),
    )


@contextmanager
def peer(python: Path, folder: Path) -> Iterator[tuple[subprocess.Popen, float]]:
    """Yield the process that measures with the peer, and the seconds it took to be ready."""
    command = [python, "-c", DRIVER, folder / "model", str(TOKENS)]
    variables = os.environ | OFFLINE | ONE_THREAD | {"TMPDIR": str(folder)}  # the peer leaves files there
    began = time.perf_counter()
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=variables, cwd=folder
        ) as process,
    ):
        answer(process, folder)
        yield process, time.perf_counter() - began


def ask(process: subprocess.Popen, folder: Path) -> Measured:
    """Make one measurement of theirs."""
    process.stdin.write("\n")
    process.stdin.flush()
    return Measured(**json.loads(answer(process, folder)))


def answer(process: subprocess.Popen, folder: Path) -> str:
    if line := process.stdout.readline():
        return line
    log = (folder / "log").read_text().strip() or "it left no message"
    sys.exit(f"{PEER} failed: {log.splitlines()[-1]}")


def table(ours: Side, theirs: Side) -> Table:
    columns = ("p50, ms", "CV of p50", "CV of the ratio", "wall, s each", "timed, s each", "start, s once")
    made = Table("harness", *columns)
    for side, ratio in ((ours, cv(ours.values("ratio"))), (theirs, "–")):
        p50, wall, timed = side.median("p50_ms"), side.median("wall_s"), side.median("timed_s")
        spread = cv(side.values("p50_ms"))
        made.add_row(side.name, f"{p50:.2f}", spread, ratio, f"{wall:.1f}", f"{timed:.1f}", f"{side.start_s:.1f}")
    p50, wall, timed = (ours.median(name) / theirs.median(name) for name in ("p50_ms", "wall_s", "timed_s"))
    made.add_row("ours ÷ theirs", f"{p50:.3f}", "", "", f"{wall:.3f}", f"{timed:.3f}")
    return made


def cv(values: list[float]) -> str:
    return f"{np.std(values, ddof=1) / np.mean(values):.2%}" if len(values) > 1 else "–"


if __name__ == "__main__":
    main()
