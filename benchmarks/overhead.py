"""Measure the overhead of a whole run: its wall time over the work that had to be scheduled on its cores.

Jobs record their own work: training, compressing, evaluating, timing. A timed job has the machine to itself, so its
work counts whole. The other jobs' work is divided by the number of cores, as with a perfect scheduler.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from breakeven.files import read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="workflow/config/default.yaml", help="the grid to run")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        began = time.perf_counter()
        snakemake = [sys.executable, "-m", "snakemake", "--cores", str(options.cores), "--configfile", options.config]
        subprocess.run([*snakemake, "--config", f"results={results}"], check=True)
        report(Path(results), time.perf_counter() - began, options.cores)


def report(results: Path, wall_s: float, cores: int) -> None:
    """Print the ratio, and the time of each stage."""
    jobs = [read_json(path) for path in results.glob("**/job.json")]
    by_stage = defaultdict(list)
    for job in jobs:
        took = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])
        by_stage[job["stage"], job["timed"]].append((took.total_seconds(), job["work_s"]))
    table = Table("stage", "alone", "jobs", "in jobs, s", "work, s", "overhead a job, s")
    for (stage, timed), times in sorted(by_stage.items()):
        inside, work = (sum(column) for column in zip(*times, strict=True))
        row = (str(len(times)), f"{inside:.1f}", f"{work:.1f}", f"{(inside - work) / len(times):.2f}")
        table.add_row(stage, "yes" if timed else "no", *row)
    Console().print(table)
    timed_s = sum(job["work_s"] for job in jobs if job["timed"])
    shared_s = sum(job["work_s"] * job["cores"] for job in jobs if not job["timed"]) / cores
    print(f"wall time {wall_s:.1f} s; work: timed alone {timed_s:.1f} s + shared {shared_s:.1f} s over {cores} cores")
    print(f"overhead: {wall_s / (timed_s + shared_s):.3f}")


if __name__ == "__main__":
    main()
