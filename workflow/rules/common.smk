# What the rules share: the grid of the config, where results go, and what lives as long as the run does.
import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from breakeven.grid import cells as grid
from breakeven import environment, protocol
from breakeven.errors import UserError
from breakeven.jobs import cluster_start as cluster, slurm
from breakeven.jobs.forkserver import running
from breakeven.units import registry

try:
    GRID = grid.expand(config, "config")
except UserError as error:
    sys.exit(f"breakeven: {error}")

RESULTS = config.get("results", "results")
TIMEOUT_MIN = config.get("timeout_min", 60)
os.environ[environment.CONFIG_SHA256] = GRID.config_sha256  # jobs write it into their rows
gc.disable()  # till the plan is made: its objects all stay, and to look through them for cycles takes a third of its time
RUN = ExitStack()  # what lives as long as the run does
# A source is an input only of the first jobs that it matters to: those after them are made again as their inputs are.
MODEL = "{task}/{training}@{train_hardware}/seed={seed}"
TIMED = {training.key for training in GRID.trainings}


def all_cores(hardware):
    """Threads of a timed job, which is alone: here it takes all cores, whatever number it needs; a cluster is asked."""
    return workflow.cores if workflow.local_exec else slurm.threads(hardware)


def on_cluster():
    """Whether jobs go to a cluster, or this is one of them there."""
    return workflow.remote_exec or not workflow.local_exec


# The login node of a cluster does these itself: its compute nodes may have no internet.
localrules:
    data,
    collect_training,
    collect_inference,


wildcard_constraints:
    task="[^/]+",
    training="[^/@]+",
    train_hardware="[^/@]+",
    seed="[0-9]+",
    chain="[^/@]+",
    hardware="[^/@]+",
    accelerator="cpu|cuda",


onstart:
    gc.freeze()  # the plan
    gc.enable()
    try:
        RUN.enter_context(running(Path(RESULTS), jobs_here=workflow.local_exec))
        cluster.begin(workflow, Path(RESULTS))
    except UserError as error:
        sys.exit(f"breakeven: {error}")
    if workflow.local_exec:
        # To keep its rate of submissions, Snakemake plans anew every second, once more for each job that has ended:
        # a tenth of a core after some dozens, beside timed jobs. Local jobs need no such limit.
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    RUN.close()


onerror:
    RUN.close()
