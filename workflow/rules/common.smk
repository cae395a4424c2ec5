# What the rules share: the grid of the config, where results go, and the run's fork server.
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout
from snakemake.exceptions import WorkflowError

from breakeven import grid
from breakeven.errors import UserError
from breakeven.forkserver import RunServer

try:
    GRID = grid.expand(config, "config")
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = config.get("results", "results")
RUN = ExitStack()  # what lives as long as the run does
MODEL = "{task}/{training}@{train_hardware}/seed={seed}"
TIMED = {training.key for training in GRID.trainings}


wildcard_constraints:
    task="[^/]+",
    training="[^/@]+",
    train_hardware="[^/@]+",
    seed="[0-9]+",
    chain="[^/@]+",
    hardware="[^/@]+",
    accelerator="cpu|cuda",


onstart:
    Path(RESULTS).mkdir(parents=True, exist_ok=True)
    # The kernel releases this lock when the run ends in any way; Snakemake's own would outlive a kill.
    try:
        RUN.enter_context(FileLock(f"{RESULTS}/.lock", blocking=False))
    except Timeout:
        raise WorkflowError(f"{RESULTS}: another run is writing here: wait for it, or choose --config results=FOLDER")
    RUN.enter_context(RunServer())


onsuccess:
    RUN.close()


onerror:
    RUN.close()
