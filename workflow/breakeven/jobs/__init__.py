"""Lifecycle of jobs: fork server, time and memory limits, retries, SLURM, bundles of short jobs."""
