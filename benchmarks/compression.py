"""Measure how much cheaper our chains make three tasks' models, beside tools that a user would call directly.

The script runs the grid benchmarks/compression.yaml as any other grid: every chain, and every tool of benchmarks/peers,
beside fp32 in eager PyTorch, in lockstep, on one thread, evaluated on the whole test set. Finished cells are not run
again. Then it prints:

- for each task, among the chains that keep 99 % of the reference's quality, the fastest with batch 1, the fastest with
  batch 32, and the smallest file, beside the aims;
- each tool called directly, beside our chain with the same back end: the files timed in lockstep with one another, the
  share of the quality that each keeps, and their sizes.

Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from importlib import import_module
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from breakeven import plugins, protocol, statistics
from breakeven.files import read_json
from breakeven.grid import cells
from breakeven.grid import chain as chains
from breakeven.jobs import forkserver
from breakeven.protocol import SCENARIOS
from breakeven.scoring import leaderboard, ratios
from breakeven.stages.measure import lockstep as measurement
from breakeven.stages.measure.served_model import Served
from breakeven.units import registry

CONFIG, PEERS = Path(__file__).with_suffix(".yaml"), Path(__file__).parent / "peers"
# Speed-up with batch 1 and with batch 32, and how many times smaller the file is.
AIMS = {"fashion_mnist": (10, 6, 12), "movie_sentiment": (3.5, 2.5, 12), "mandarin_initials": (5, 4, 12)}
FIGURES = [
    ("speed-up, batch 1", "single_stream", "speedup"),
    ("speed-up, batch 32", "offline", "speedup"),
    ("times smaller on disk", "single_stream", "size_ratio"),
    ("times smaller, packed", "single_stream", "packed_ratio"),
]
TOOLS = {  # each tool, and our chain with the same back end
    "direct_onnxruntime": "int8_static",
    "direct_nncf": "int8_static-backend=openvino",
    "direct_neural_compressor": "int8_static-backend=pt2e",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", help="tasks of the grid to run; all by default")
    options = parser.parse_args()
    plugins.__path__.append(str(PEERS))
    config = cells.read_config(CONFIG)
    tasks, results = options.tasks or config["tasks"], Path(config["results"])
    peer = import_module(registry.find("methods", "direct_neural_compressor").module)
    peer.environment()  # made now, so that no cell's time includes it
    command = ["snakemake", "--cores", "all", "--configfile", CONFIG, "--config", f"tasks=[{','.join(tasks)}]"]
    subprocess.run(command, check=True, env={**os.environ, "BREAKEVEN_PATH": str(PEERS)})
    rows = leaderboard.rank(leaderboard.load(results)[0])
    console = Console(width=150)
    console.print(best(rows, tasks))
    forkserver.preload()  # timed processes are forked from here
    console.print(beside(rows, tasks, results, protocol.MODES[config["mode"]]))


def best(rows: pd.DataFrame, tasks: list[str]) -> Table:
    """Return for each task and figure the best of our chains that keeps the quality."""
    made = Table("task", "figure", "aim", "reached", "best chain", "quality kept")
    good = rows[rows["board"].eq("closed") & ~ratios.flagged(rows, "contended")]
    good = good[~good["method"].isin(TOOLS)]
    for task in tasks:
        for number, (figure, scenario, column) in enumerate(FIGURES):
            found = good[good["task"].eq(task) & good["scenario"].eq(scenario)]
            aims = AIMS.get(task, ())
            aim = f"{aims[number]:g}×" if number < len(aims) else ""
            if found.empty:
                made.add_row(task, figure, aim, "–", "none keeps the quality, uncontended")
                continue
            row = found.loc[found[column].astype(float).idxmax()]
            interval = f" [{row['speedup_ci_low']:.2f}, {row['speedup_ci_high']:.2f}]" if column == "speedup" else ""
            made.add_row(task, figure, aim, f"{row[column]:.2f}×{interval}", row["chain"], kept(row))
    return made


def beside(rows: pd.DataFrame, tasks: list[str], results: Path, mode: protocol.Mode) -> Table:
    """Return each tool called directly, beside ours: ratios of time and bytes, above 1 where ours is better."""
    made = Table("task", "tool", "batch", "tool over eager", "ours over eager", "ours over tool", "bytes", "kept, ours")
    made.add_column("kept, tool")
    alone = rows.set_index(["task", "scenario", "method"])
    for task in tasks:
        for tool, chain in TOOLS.items():
            pair = {each: alone.loc[task, :, each] for each in (tool, chains.served(chain).compressions)}
            if any((found["board"] == "gap").any() for found in pair.values()):
                reason = next(r for found in pair.values() for r in found["reason"].dropna())
                made.add_row(task, tool, "–", str(reason))
                continue
            theirs, ours = pair.values()
            timing = lockstep(task, results, ours["chain"].iloc[0], theirs["chain"].iloc[0], mode)
            for scenario, batch in SCENARIOS.items():
                a, b = theirs.loc[scenario], ours.loc[scenario]
                ratio, low, high, _ = statistics.ratio_interval([w.speedup for w in timing.windows[scenario]])
                made.add_row(
                    *(task, tool, str(batch), f"{a['speedup']:.2f}×", f"{b['speedup']:.2f}×"),
                    *(f"{ratio:.3f} [{low:.3f}, {high:.3f}]", f"{a['disk_bytes'] / b['disk_bytes']:.2f}"),
                    *(kept(b), kept(a)),
                )
    return made


def lockstep(task: str, results: Path, ours: str, theirs: str, mode: protocol.Mode) -> measurement.Timing:
    """Time our file and the tool's in turns."""
    hardware = registry.hardware("cpu_1")
    files = []
    for chain in (ours, theirs):
        folder = results / cells.artifact(f"{task}/single_device@cpu_1/seed=0", chain)
        record = read_json(folder / "artifact.json")
        files.append(Served(folder / record["file"], chains.served(chain).runtime, record["sha256"]))
    return measurement.measure(*files, registry.task(task), hardware, mode, seed=0)


def kept(row: pd.Series) -> str:
    """Format the share of the quality that a row keeps, with its interval."""
    return f"{row['quality_ratio']:.3f} [{row['quality_kept_ci_low']:.3f}, {row['quality_kept_ci_high']:.3f}]"


if __name__ == "__main__":
    main()
