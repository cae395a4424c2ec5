# On a cluster, short jobs share one job, a bundle. A local run has no bundles.
import atexit
import os

from breakeven.jobs.bundles import TURN, Bundles
from breakeven.jobs.forkserver import serving

BUNDLES = Bundles(workflow, GRID, Path(RESULTS), config.get("bundle_min", 10), TIMEOUT_MIN)


# The members of one bundle take turns, not all jobs of the run.
resource_scopes:
    turn="local",


# In a job on one node, Snakemake does all members itself and starts no process of its own for each.
if workflow.remote_exec and os.environ.get(environment.SLURM_NODES) == "1":

    localrules:
        train,
        compress,
        evaluate,
        measure,

    adapter.run_members_here(workflow, TURN)
    RUN.enter_context(serving())
    atexit.register(RUN.close)
