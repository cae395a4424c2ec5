"""The results tree: names of all folders and files below a results folder, and the keys in their paths.

    data/<task>.json                                the prepared data of a task: its hash
    models/<training>/                              from `train`: the model, its record and its row
    artifacts/<training>/<chain>/                   from `compress`: the next model and its record
    evaluations/<training>/<chain>@<accelerator>/   from `evaluate`: quality and stored outputs
    cells/<training>/<chain>@<hardware>/            from `measure`: rows and raw latencies
    logs/<rule>/…                                   the log of each job
    training.parquet, inference.parquet             from `collect`: the boards

<training> is <task>/<method>@<hardware>/seed=<seed>. Paths here are relative to the results folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# Folders of the stages.
DATA, LOGS = "data", "logs"
FOLDERS = {"train": "models", "compress": "artifacts", "evaluate": "evaluations", "measure": "cells"}

# Files in the folder of a job.
ROWS = "rows.json"  # of the train and measure stages
MODEL = "model.pt"  # of the train stage
ARTIFACT = "artifact.json"  # of the train and compress stages: the record of the model file
EVALUATION = "evaluation.json"  # of the evaluate stage
OUTPUTS = "outputs.npy"  # of the evaluate stage: the outputs for a few test samples
LATENCIES = "latencies.parquet"  # of the measure stage: every timed call
JOB = "job.json"  # of every stage: when it ran, and how long it worked
RECORDS = (ROWS, EVALUATION, ARTIFACT)  # each has the status of its job

# Files beside the stages' folders.
LOCK = ".lock"  # held by the run that writes into the folder
SLURM_RUN = ".slurm_run"  # the name of all SLURM jobs of the last run on a cluster
CHECKPOINT = ".checkpoint"  # suffix of the folder with a training's checkpoint, beside the training's own


def training(task: str, method: str, hardware: str, seed: int | str) -> str:
    """The key of a training, such as `fashion_mnist/single_device@cpu_1/seed=0`."""
    return f"{task}/{method}@{hardware}/seed={seed}"


def board(name: str) -> str:
    """The file of a board, `training` or `inference`."""
    return f"{name}.parquet"


def log(stage: str, *parts: str) -> str:
    """The log of a stage's job; `parts` identify the job within the stage."""
    return f"{LOGS}/{stage}/{'/'.join(parts)}.log"


def data(task: str) -> str:
    """The record of a task's prepared data."""
    return f"{DATA}/{task}.json"


def model(training: str) -> str:
    """The folder of a trained model."""
    return f"{FOLDERS['train']}/{training}"


def artifact(training: str, chain: str) -> str:
    """The folder of a compressed or exported model."""
    return f"{FOLDERS['compress']}/{training}/{chain}"


def evaluation(training: str, chain: str, accelerator: str) -> str:
    """The folder of a quality, evaluated once per kind of accelerator."""
    return f"{FOLDERS['evaluate']}/{training}/{chain}@{accelerator}"


def cell(training: str, chain: str, hardware: str) -> str:
    """The folder of a measured cell."""
    return f"{FOLDERS['measure']}/{training}/{chain}@{hardware}"


def job_records(results: Path) -> Iterator[tuple[Path, tuple[str, str, str, str]]]:
    """The job records below a results folder, each with its stage, task, method or chain, and place.

    The place is a hardware profile or, for evaluations, a kind of accelerator.
    """
    stages = {folder: stage for stage, folder in FOLDERS.items()}
    for file in results.glob(f"*/*/*/seed=*/**/{JOB}"):
        folder, task, placed, _, *chain = file.relative_to(results).parts[:-1]
        stage = stages.get(folder)
        if stage is None or file.parent.name.startswith("."):  # the temporary folder of a killed job
            continue
        method, at, place = (placed if stage in ("train", "compress") else chain[0]).rpartition("@")
        if at:
            yield file, (stage, task, chain[0] if stage == "compress" else method, place)
