"""The only adapter to Snakemake's internals: everything that Breakeven uses beyond the public interface.

`USES` lists each attribute with its purpose. A test compares the list with the installed Snakemake, and so names the
attribute that a new Snakemake has changed. Functions take Snakemake's `workflow` object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

USES = {
    "snakemake.workflow:Workflow": {
        "local_exec": "tells a run whose jobs run on this machine from a run on a cluster",
        "remote_exec": "tells that this process is a job of a cluster",
        "nodes": "is the limit to jobs in the queue: None means that the run has no queue",
        "dag": "knows the jobs that are to run",
        "scheduler": "gives the run's name on a cluster, and the limit to its submissions",
        "group_settings": "takes the sizes of bundles",
        "global_resources": "takes the one turn that members of a bundle share",
        "execution_settings": "takes the order to keep the results of a failed bundle's members",
        "async_run": "removes old results",
        "default_target": "takes the target that the top-level Snakefile includes",
        "modifier": "tells a run of this workflow from another workflow that uses it as a module",
    },
    "snakemake.modules:WorkflowModifier": {"is_main_snakefile": "tells the same"},
    "snakemake.dag:DAG": {"needrun_jobs": "lists the jobs that are to run"},
    "snakemake.jobs:Job": {
        "is_local": "tells the jobs that the login node does",
        "remove_existing_output": "removes old results",
    },
    "snakemake.scheduling.job_scheduler:JobScheduler": {
        "schedule": "is where a node learns to do all members of a bundle itself",
        "keepgoing": "lets the other members go on when one fails",
        "job_rate_limiter": "would plan anew every second, beside timed jobs",
        "_executor": "has the run's name on a cluster",
    },
    "snakemake_executor_plugin_slurm:Executor": {"run_uuid": "is the run's name on a cluster"},
    "snakemake.settings.types:GroupSettings": {"group_components": "takes the sizes of bundles"},
    "snakemake.settings.types:ExecutionSettings": {"keep_incomplete": "keeps the results of a failed bundle's members"},
}
# Regular expressions for the start of Snakemake's messages on its own work. The progress display omits these messages.
NOISE = (
    *("Assuming unrestricted", "Config file .* is extended", "Building DAG", "Using shell", "Provided "),
    *("Rules claiming", "Select jobs", "Conda environments: ignored", r"Execute \d+ jobs", "Exiting because a job"),
    *("Shutting down", "Complete log", "Elapsed time", "WorkflowError:\nAt least one job"),
    *("RuleException:\nCalledProcess", "Removing output files of failed job", r"Job [\w-]+ has been submitted"),
    *("No SLURM account given", "No account was given", "Unable to guess SLURM account", "Cleaning up"),
    *("Group jobs: inactive", "--keep-incomplete mode"),
)


def is_main(workflow: Any) -> bool:
    """Return True if this workflow is not a module of another workflow, which would not run this one's `onstart`."""
    return workflow.modifier.is_main_snakefile()


def waiting(workflow: Any) -> Iterator[tuple[str, Any]]:
    """List the rule and the wildcards of every job that is to run."""
    return ((job.rule.name, job.wildcards) for job in workflow.dag.needrun_jobs())


def bundle(workflow: Any, sizes: dict[str | None, int], turn: str) -> None:
    """Have Snakemake make one cluster job from all jobs of a group, and run them one after the other.

    Snakemake adds up the resources of a group's jobs if they can run at the same time. The single turn prevents that.

    Args:
        sizes: number of jobs by the group's name.
        turn: name of the resource of which every job takes one.
    """
    workflow.group_settings.group_components = sizes
    workflow.global_resources[turn] = 1


def run_name(workflow: Any) -> str:
    """The name of all SLURM jobs of the run; empty with another executor."""
    return getattr(workflow.scheduler._executor, "run_uuid", "")


def keep_results(workflow: Any) -> None:
    """Keep the results of successful members when a bundle fails; before the first job, remove all jobs' old results.

    A result is written aside and then renamed, so an existing result is complete. An old one would be taken for new.
    """
    workflow.execution_settings.keep_incomplete = True
    for job in workflow.dag.needrun_jobs():
        if not job.is_local:
            workflow.async_run(job.remove_existing_output())


def stop_replanning(scheduler: Any) -> None:
    """Remove the limit to the rate of submissions, which makes Snakemake plan anew every second.

    After some dozens of jobs the planning takes a tenth of a core, and timed jobs run beside it.
    """
    scheduler.job_rate_limiter = None


def run_members_here(workflow: Any, turn: str) -> None:
    """Run all members of a bundle in this process, a cluster job, one after the other.

    A member that fails does not stop the others.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    schedule: Callable[[Any], bool] = JobScheduler.schedule

    def schedule_members(scheduler: Any) -> bool:
        scheduler.keepgoing = True
        stop_replanning(scheduler)
        return schedule(scheduler)

    JobScheduler.schedule = schedule_members
    workflow.global_resources[turn] = 1
