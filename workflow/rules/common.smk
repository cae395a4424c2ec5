# Shared by the rules: the grid of the config, the paths of results, and resources that live as long as the run does.
import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from breakeven.grid import cells as grid
from breakeven import environment, protocol, results
from breakeven.errors import UserError
from breakeven.jobs import cluster_start as cluster, slurm, snakemake as adapter
from breakeven.jobs.forkserver import running
from breakeven.units import registry

try:
    GRID = grid.expand(config, "config")
except UserError as error:
    sys.exit(f"breakeven: {error}")

RESULTS = config.get("results", "results")
TIMEOUT_MIN = config.get("timeout_min", 60)
os.environ[environment.CONFIG_SHA256] = GRID.config_sha256  # jobs write it into their rows
if adapter.is_main(workflow):  # `onstart` enables it again, once the plan is made
    gc.disable()  # all objects of the plan stay, and a search for cycles among them takes a third of the time
RUN = ExitStack()  # resources that live as long as the run does
# A source file is an input of the first rule that uses it. Later rules run again through their own inputs.
MODEL = results.training("{task}", "{training_method}", "{train_hardware}", "{seed}")
TIMED = set(GRID.training_cells)


def below(path):
    """A path of the results tree, below the results folder of this run."""
    return f"{RESULTS}/{path}"


def is_timed(wildcards):
    """Say whether a training is a cell of the training board: timed alone."""
    return grid.trained(wildcards) in TIMED


def all_cores(hardware):
    """Threads of a timed job: all cores of this machine, so that it runs alone; on a cluster, those of its profile."""
    return workflow.cores if workflow.local_exec else slurm.threads(hardware)


def on_cluster():
    """Say whether jobs go to a cluster, or this process is such a job."""
    return workflow.remote_exec or not workflow.local_exec


# The login node of a cluster does these itself: its compute nodes may have no internet.
localrules:
    prepare,
    collect,


wildcard_constraints:
    task="[^/]+",
    training_method="[^/@]+",
    train_hardware="[^/@]+",
    seed="[0-9]+",
    chain="[^/@]+",
    hardware="[^/@]+",
    accelerator="cpu|cuda",
    board="training|inference",


onstart:
    gc.freeze()  # the plan
    gc.enable()
    try:
        RUN.enter_context(running(Path(RESULTS), jobs_here=workflow.local_exec))
        cluster.begin(workflow, Path(RESULTS))
    except UserError as error:
        sys.exit(f"breakeven: {error}")
    if workflow.local_exec:
        adapter.stop_replanning(workflow.scheduler)


onsuccess:
    RUN.close()


onerror:
    RUN.close()
