"""The life of jobs: fork server, time and memory limits, another attempt, SLURM, bundles of short jobs."""
