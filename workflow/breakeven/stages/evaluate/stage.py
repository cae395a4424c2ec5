"""The evaluate stage: the quality of an artifact in the runtime that serves it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

from breakeven.errors import CellFailure, Status
from breakeven.files import folder_aside, write_json
from breakeven.grid import chain as chains
from breakeven.hardware import evaluation_profile
from breakeven.jobs.supervision import Attempt
from breakeven.machine import limits
from breakeven.results import EVALUATION, OUTPUTS
from breakeven.stages import artifact as artifacts
from breakeven.stages.evaluate.quality import Evaluation, evaluate_file
from breakeven.stages.job import FIRST, Job, recorded, require
from breakeven.units import registry


def evaluate(
    task_text: str, chain_text: str, accelerator: str, source: Path, output: Path, attempt: Attempt = FIRST
) -> None:
    """Evaluate the artifact in the folder `source`; write its quality and a few stored outputs into `output`."""
    task, chain = registry.task(task_text), chains.served(chain_text)
    hardware = evaluation_profile(accelerator)
    job, result = Job("evaluate", hardware, timed=False), Evaluation()

    def failed(failure: CellFailure) -> None:
        result.status, result.reason = Status(failure.status), failure.reason

    with folder_aside(output) as folder:
        with recorded(failed):
            attempt.begin()
            require(limits.missing(hardware), "no_hardware")
            # Nothing is timed here, so a runtime that needs several devices may share the cores of one.
            hardware = replace(hardware, devices=chain.served_by.least_devices)
            require(chain.unsupported(task, hardware), "unsupported")
            model = artifacts.read(source)
            path = artifacts.model_file(source, model)
            began = time.perf_counter()
            result = evaluate_file(path, str(model.sha256), chain.served_by, task, hardware, folder / OUTPUTS)
            job.work_s = time.perf_counter() - began
        write_json(asdict(result), folder / EVALUATION)
        job.write(folder)
