# Short jobs share one job of a cluster: which ones, and how that job does them. Nothing of this happens in a local run.
import atexit
import os

from snakemake.scheduling.job_scheduler import JobScheduler

from breakeven.jobs.bundles import TURN, Bundles
from breakeven.jobs.forkserver import serving

BUNDLES = Bundles(workflow, GRID, Path(RESULTS), config.get("bundle_min", 10), TIMEOUT_MIN)


# Of a bundle, not of the run.
resource_scopes:
    turn="local",


# In a job on one node, Snakemake does all members itself, instead of starting once more for each.
if workflow.remote_exec and os.environ.get(environment.SLURM_NODES) == "1":

    localrules:
        train,
        compress,
        evaluate,
        measure,

    def schedule_members(scheduler, schedule=JobScheduler.schedule):
        """A member that fails takes no other along; and no planning anew every second, see onstart."""
        scheduler.keepgoing, scheduler.job_rate_limiter = True, None
        return schedule(scheduler)

    JobScheduler.schedule = schedule_members
    workflow.global_resources[TURN] = 1
    RUN.enter_context(serving())
    atexit.register(RUN.close)
