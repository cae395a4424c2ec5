"""The plan of a dry run, compared with job counts that were counted by hand from the grid."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, Checkout

from breakeven.cli import stages

CELLS = 5 * 2  # the reference and four chains, on two profiles
PLANNED = {
    "prepare": 1,
    "train": 1,
    "compress": 4,  # onnxruntime, int8_static on top of it, unchanged, broken
    "evaluate": 5 * 2,  # each artifact on each kind of accelerator
    "measure": CELLS,
    "collect": 2,
}


def test_a_rule_a_verb_and_a_stage_have_one_name() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    modules = {path.stem: path for path in (ROOT / "workflow/breakeven/stages").glob("*.py")}
    modules |= {path.parent.name: path for path in (ROOT / "workflow/breakeven/stages").glob("*/stage.py")}
    rooms = [name for name, path in modules.items() if f"\ndef {name}(" in path.read_text()]
    verbs = [command.callback.__name__ for command in stages.app.registered_commands if command.callback]
    assert sorted(re.findall(r"^rule (\w+):", text, re.MULTILINE)) == sorted(verbs) == sorted(rooms) == sorted(PLANNED)


@pytest.fixture
def fresh(checkout: Checkout) -> tuple[str, ...]:
    return ("--configfile", "grid.yaml", "--config", "results=never_made")


def test_counts(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    assert checkout.planned(*fresh) == PLANNED


def test_a_dry_run_writes_nothing(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    checkout.planned(*fresh)
    assert not (checkout.path / "never_made").exists()


def test_a_single_key_can_be_overridden(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    planned = checkout.planned(*fresh, "chains=[]", "hardware=[cpu_1]")
    assert planned["measure"] == planned["evaluate"] == 1
    assert "compress" not in planned


def test_seeds_train_models_of_their_own(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    planned = checkout.planned(*fresh, "seeds=[0,1,2]")
    assert planned["prepare"] == 1
    assert planned["train"] == 3
    assert planned["measure"] == 3 * CELLS


def test_one_model_serves_the_training_board_and_the_chains(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    assert checkout.planned(*fresh, "training_cells=[single_device@cpu_1,ddp@cpu_2x1]")["train"] == 2
    assert checkout.planned(*fresh, "training_cells=[ddp@cpu_2x1]")["train"] == 2


# fp32, the chains, the points of the curves, and fp32 in the runtimes that the grid does not list.
CHAINS = {"smoke": 1 + 2, "default": 1 + 7, "curves": 1 + 15, "full": 1 + 40 + 5 + 1}


@pytest.mark.parametrize("name", CHAINS)
def test_every_grid_of_the_repository_can_be_planned(name: str, checkout: Checkout) -> None:
    path = ROOT / "workflow" / "config" / f"{name}.yaml"
    grid = yaml.safe_load(path.read_text())
    planned = checkout.planned("--configfile", str(path), "--config", "results=never_made")
    assert planned["measure"] == len(grid["tasks"]) * len(grid["seeds"]) * len(grid["hardware"]) * CHAINS[name]


def test_jobs_are_told_their_time(checkout: Checkout, fresh: tuple[str, ...]) -> None:
    """Jobs get one hour without a key, else the key's minutes. Only `prepare` and `collect` have no limit."""
    limited = sum(PLANNED[rule] for rule in ("train", "compress", "evaluate", "measure"))
    for given, minutes in (((), 60), (("timeout_min=7",), 7)):
        done = checkout.snakemake("-n", "-p", *fresh, *given)
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count(f"--timeout-min {minutes} ") == limited


def test_bad_input_ends_in_one_line(checkout: Checkout) -> None:
    done = checkout.snakemake("-n", "--configfile", "grid.yaml", "--config", "chains=[int9_static]")
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("Config file ")]
    assert lines[-1].startswith("breakeven: unknown method 'int9_static': did you mean 'int8_static'?")
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_ends_in_one_line(checkout: Checkout) -> None:
    done = checkout.snakemake("--configfile", "grid.yaml", "--config", "results=/proc/results")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).splitlines()[-1].startswith("breakeven: /proc/results: ")


@pytest.mark.parametrize(
    "command", [["snakemake", "--lint"], ["snakefmt", "--check", "Snakefile", "workflow/Snakefile", "workflow/rules"]]
)
def test_style(command: list[str], checkout: Checkout) -> None:
    program = Path(sys.executable).parent / command[0]  # found even if the environment is not activated
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
