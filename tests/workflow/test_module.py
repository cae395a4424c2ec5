"""The workflow as a module of another workflow (https://snakemake.readthedocs.io, "Modularization")."""

from pathlib import Path

import pytest
import yaml
from checkout import GRID, ROOT, Checkout

from breakeven.files import read_json

OTHER = f"""
configfile: "ours.yaml"

module breakeven:
    snakefile: "{ROOT / "workflow" / "Snakefile"}"
    config: config["breakeven"]

use rule * from breakeven as breakeven_*

rule report:
    default_target: True
    input: "boards/inference.parquet", "boards/training.parquet"
    output: "report.txt"
    shell: "breakeven leaderboard boards > {{output}}"
"""
PLANNED = {"prepare": 1, "train": 1, "compress": 1, "evaluate": 2, "measure": 2, "collect": 2}


@pytest.fixture
def other(tmp_path: Path) -> Checkout:
    """A workflow of another project, in its own folder, without a profile."""
    grid = {**GRID, "chains": ["onnxruntime"], "hardware": ["cpu_1"], "results": "boards"}
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump({"breakeven": grid}))
    (tmp_path / "Snakefile").write_text(OTHER)
    (tmp_path / "units").mkdir()
    return Checkout(tmp_path)


def test_another_workflow_plans_our_jobs_beside_its_own(other: Checkout) -> None:
    assert other.planned() == {**{f"breakeven_{rule}": count for rule, count in PLANNED.items()}, "report": 1}


@pytest.mark.slow
def test_a_rule_of_ours_runs_in_another_workflow(other: Checkout) -> None:
    done = other.snakemake("boards/data/mandarin_initials.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(other.path / "boards" / "data" / "mandarin_initials.json")["task"] == "mandarin_initials"


def test_both_snakefiles_plan_the_same_jobs(checkout: Checkout) -> None:
    fresh = ("--configfile", "grid.yaml", "--config", "results=never_made")
    assert checkout.planned("--snakefile", "workflow/Snakefile", *fresh) == checkout.planned(*fresh) != {}
