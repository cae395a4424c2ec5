"""Measure the overhead of a short cell on a SLURM cluster, with one job per cell and with bundles.

The script starts the cluster of tests/cluster with one of its nodes drained, so that only one cell works at a time. A
first run of one cell prepares the data and shows how long a cell takes. The timed run trains the given number of other
cells. Overhead per cell is the wall time of the run, less the time that the cells' own records span, over the cells.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import yaml

from breakeven.files import read_json

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests" / folder) for folder in ("cluster", "workflow")]
import cluster as clusters  # noqa: E402
from checkout import make_checkout  # noqa: E402

GRID = {
    "tasks": ["planted_initials"],
    "training_cells": ["single_device@planted_node"],
    "trained_as": "single_device@planted_node",
    "chains": [],
    "hardware": [],
    "mode": "brief",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100, help="cells of the bundled run")
    parser.add_argument("--single", type=int, default=10, help="cells of the run with one job per cell")
    options = parser.parse_args()
    if reason := clusters.missing():
        sys.exit(reason)
    with clusters.running() as cluster, tempfile.TemporaryDirectory() as folder:
        cluster.ask("scontrol", "update", f"NodeName={clusters.NODES[-1]}", "State=drain", "Reason=benchmark")
        for name, cells, minutes in (("bundles", options.cells, 10), ("one job per cell", options.single, 0)):
            path = make_checkout(Path(folder) / name.replace(" ", "_")).path
            run(cluster, path, minutes, [0])
            before = len(cluster.jobs())
            wall_s, work_s = run(cluster, path, minutes, list(range(1, cells + 1)))
            jobs = len(cluster.jobs()) - before
            print(f"{name}: {cells} cells in {jobs} jobs: wall time {wall_s:.1f} s, cells' own work {work_s:.1f} s")
            print(f"{name}: overhead {(wall_s - work_s) / cells:.2f} s a cell", flush=True)
    print(f"load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def run(cluster: clusters.Cluster, path: Path, minutes: float, seeds: list[int]) -> tuple[float, float]:
    """Run Snakemake; return the wall time of the run, and the sum of the cells' own times, both in seconds."""
    (path / "grid.yaml").write_text(yaml.safe_dump({**GRID, "seeds": seeds, "bundle_min": minutes}))
    environment = {**cluster.environment, "BREAKEVEN_PATH": str(ROOT / "tests" / "planted")}
    snakemake = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/slurm"]
    with (path / "driver.log").open("w") as log:
        began = time.perf_counter()
        ended = subprocess.run(
            [*snakemake, "--configfile", "grid.yaml"], cwd=path, env=environment, stdout=log, stderr=log
        )
        wall_s = time.perf_counter() - began
    if ended.returncode:
        sys.exit((path / "driver.log").read_text())
    return wall_s, sum(own_s(path / "results", seed) for seed in seeds)


def own_s(results: Path, seed: int) -> float:
    """Return the seconds from the start to the end of a training, by its record."""
    (record,) = map(read_json, results.glob(f"models/*/*/seed={seed}/job.json"))
    return (
        datetime.fromisoformat(record["finished_at"]) - datetime.fromisoformat(record["started_at"])
    ).total_seconds()


if __name__ == "__main__":
    main()
