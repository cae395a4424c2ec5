"""Time the planning of grids, beside a bare Snakefile with as many jobs: the wait before the first job of a run.

The grids cross every fourth task of full.yaml with its chains, trainings and hardware profiles, and with as many seeds
as the number of cells needs. The bare Snakefile makes the same files by the same rules, each a string pattern with a
shell command: it has no functions, parameters, resources, logs or profile. Both are planned from nothing, in turns.
`snakemake -n --quiet` takes as long as a run before its first job; `snakemake -n` also prints every job.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from breakeven import results
from breakeven.grid import cells as grid

ROOT = Path(__file__).parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "1"]
DRY = {"snakemake -n": ["-n"], "snakemake -n --quiet": ["-n", "--quiet"]}
LIST = [sys.executable, "-m", "breakeven", "list"]
BARE = """
MODEL = "{{task}}/{{training_method}}@{{train_hardware}}/seed={{seed}}"

wildcard_constraints: chain="[^/@]+", accelerator="cpu|cuda"

rule all:
    input: "training", "inference"

rule prepare:
    input: "Snakefile"
    output: "data/{{task}}"
    shell: "touch {{output}}"

rule train:
    input: "data/{{task}}", "Snakefile"
    output: directory("models/" + MODEL)
    shell: "mkdir {{output}}"

rule compress:
    input: "models/" + MODEL, "Snakefile"
    output: directory("artifacts/" + MODEL + "/{{chain}}")
    shell: "mkdir {{output}}"

rule evaluate:
    input: "artifacts/" + MODEL + "/{{chain}}", "Snakefile"
    output: directory("evaluations/" + MODEL + "/{{chain}}@{{accelerator}}")
    shell: "mkdir {{output}}"

rule measure:
    input:
        "artifacts/" + MODEL + "/{{chain}}",
        "models/" + MODEL,
        "evaluations/" + MODEL + "/{{chain}}@{{accelerator}}",
        "evaluations/" + MODEL + "/fp32@{{accelerator}}",
        "data/{{task}}",
    output: directory("cells/" + MODEL + "/{{chain}}@{{accelerator}}_{{number}}")
    shell: "mkdir {{output}}"

rule collect:
    input: lambda w: {rows}[w.board]
    output: "{{board,training|inference}}"
    shell: "touch {{output}}"
"""


@dataclass
class Done:
    """A command's output, and the time and memory it took."""

    output: str
    seconds: float
    memory_mb: float  # at its peak

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.memory_mb:.0f} MB"


def run(command: list[str], folder: Path) -> Done:
    """Run a command in a folder, and wait for its end."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(output)
    return Done(output, time.perf_counter() - began, usage.ru_maxrss * 1024 / 1e6)


def config_of(cells: int) -> dict:
    """Return a config with about this many cells of full.yaml."""
    full = grid.read_config(ROOT / "workflow" / "config" / "full.yaml")
    some = {**full, "tasks": full["tasks"][::4], "seeds": [0]}
    return {**some, "seeds": list(range(max(1, round(cells / len(grid.expand(some).inference_cells)))))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    listed = min(run(LIST, ROOT).seconds for _ in range(options.repetitions))
    print(f"list the units (breakeven list): {listed:.2f} s")
    for cells in options.cells:
        with tempfile.TemporaryDirectory() as folder:
            compare(config_of(cells), Path(folder), options.repetitions)


def compare(config: dict, folder: Path, repetitions: int) -> None:
    """Plan a grid and its bare Snakefile in turns, and print their times."""
    found = grid.expand(config)
    (folder / "grid.yaml").write_text(yaml.safe_dump(config))
    models = [results.model(cell.key) for cell in found.training_cells]
    rows = {"training": models, "inference": [cell.folder for cell in found.inference_cells]}
    (folder / "Snakefile").write_text(BARE.format(rows=rows))
    ours = ["--configfile", str(folder / "grid.yaml"), "--config", f"results={folder / 'results'}"]
    print(f"{len(found.inference_cells):,} cells")
    jobs = {}
    for _ in range(repetitions):
        for name, dry in DRY.items():
            done = {"breakeven": run([*SNAKEMAKE, *dry, *ours], ROOT), "bare": run([*SNAKEMAKE, *dry], folder)}
            jobs = jobs or {each: planned(one.output) for each, one in done.items()}
            per_job = [one.seconds / jobs[each] for each, one in done.items()]
            told = "; ".join(f"{each} {jobs[each]:,} jobs, {one}" for each, one in done.items())
            print(f"  {name}: {told}; {per_job[0] / per_job[1]:.2f} times the seconds per job", flush=True)


def planned(output: str) -> int:
    """Return the number of jobs that a dry run plans."""
    return int(re.findall(r"^total\s+(\d+)", output, re.MULTILINE)[-1])


if __name__ == "__main__":
    main()
