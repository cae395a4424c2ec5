"""The description of a task, read from a unit written here and from the repository's own, and in the terminal."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from breakeven import plugins
from breakeven.cli import main, units
from breakeven.errors import UserError
from breakeven.task import Quality, Recipe
from breakeven.units import catalogue, docstrings, registry
from breakeven.units.docstrings import Parameter

UNIT = '''"""Made-up numbers: is a number large?

Data: 20 numbers that nobody measured, from a paper
(Nobody, "Numbers: a study", 2001).
Split: ten train, five validation, five test. Model: `small` or `large`, of which the
Baseline column says more.
Metric: top-1 accuracy. Baseline: always "yes", .50.
Known limits: numbers are made up.

More that is not shown.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.errors import UserError
from breakeven.task import Lengths, Quality, Recipe, Task


@dataclass(frozen=True)
class Numbers(Task):
    FOLDER
    network: Literal["small", "large"] = Field("small", description="the [network]")
    depth: int = Field(2, ge=1, description="layers")

    version: ClassVar[int] = 1
    title: ClassVar[str] = "Numbers"
    domain: ClassVar[str] = "vision"
    data_kind: ClassVar[Literal["recorded", "composed", "synthetic"]] = "synthetic"
    licence: ClassVar[str] = "none [at all]"
    lengths: ClassVar[Lengths] = Lengths(unit="digits", dimensions=(1,))
    quality: ClassVar[Quality] = Quality("mean_error", "dB", higher_is_better=False, target=2.5)

    RECIPE

    def prepare(self):
        raise UserError("no source could be had: copy the file here")

    datamodule = model = loss = metric = example_inputs = prepare
'''
FOLDER = 'folder: str = Field(description="where the numbers are")'
FIXED = "recipe: ClassVar[Recipe] = Recipe(epochs=3, batch_size=4, learning_rate=0.01)"
BY_NETWORK = """@property
    def recipe(self):
        return Recipe(epochs=3 if self.network == "small" else 9, batch_size=4, learning_rate=0.01)"""
HEADINGS = ["Data", "Split", "Model", "Metric", "Baseline", "Known limits"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the folder of a domain in a separate content root."""
    folder = tmp_path / "tasks" / "vision"
    folder.mkdir(parents=True)
    package = f"{plugins.__name__}.tasks"
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(package)}
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(tmp_path)])
    registry.forget()
    yield folder
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]
    sys.modules.update(before)
    registry.forget()


def write(root: Path, folder: str = "", recipe: str = FIXED) -> str:
    (root / "numbers.py").write_text(UNIT.replace("FOLDER", folder).replace("RECIPE", recipe))
    return "numbers"


def test_a_task_is_described_by_its_own_words(root: Path) -> None:
    found = catalogue.task(write(root))
    assert (found.domain, found.title, found.asks) == ("vision", "Numbers", "Is a number large?")
    assert (found.data_kind, found.licence, found.length_unit) == ("synthetic", "none [at all]", "digits")
    parts = dict(found.parts)
    assert list(parts) == HEADINGS
    assert parts["Data"] == '20 numbers that nobody measured, from a paper (Nobody, "Numbers: a study", 2001).'
    assert parts["Model"] == "`small` or `large`, of which the Baseline column says more."
    assert parts["Metric"] == "top-1 accuracy."
    assert parts["Baseline"] == 'always "yes", .50.'
    assert parts["Known limits"] == "numbers are made up."
    assert found.parameters == (
        Parameter("network", "small | large", "", "small", "the [network]"),
        Parameter("depth", "int", "at least 1", "2", "layers"),
    )


def test_a_quality_has_its_unit_and_its_direction() -> None:
    share, error = Quality("top1_accuracy", "ratio", True, 0.88), Quality("log_mel_distance", "dB", False, 2.5)
    assert [catalogue.metric_of(each) for each in (share, error)] == ["top1 accuracy", "log mel distance [dB]"]
    assert [catalogue.target_of(each) for each in (share, error)] == ["at least 0.88", "at most 2.5"]


def test_trainings_are_one_where_no_choice_changes_them(root: Path) -> None:
    (training,) = catalogue.task(write(root)).trainings
    assert training.choice == ""
    assert training.recipe == Recipe(epochs=3, batch_size=4, learning_rate=0.01)


def test_a_choice_that_changes_the_training_is_named(root: Path) -> None:
    trainings = catalogue.task(write(root, recipe=BY_NETWORK)).trainings
    assert [(each.choice, each.recipe.epochs) for each in trainings] == [("", 3), ("network=large", 9)]


@pytest.mark.parametrize(("recipe", "trainings"), [(FIXED, 1), (BY_NETWORK, 0)])
def test_a_task_that_cannot_be_made_without_a_parameter_is_still_described(
    root: Path, recipe: str, trainings: int
) -> None:
    found = catalogue.task(write(root, FOLDER, recipe))
    assert found.length_unit == "digits"
    assert found.parameters[0] == Parameter("folder", "str", "", "", "where the numbers are")
    assert len(found.trainings) == trainings
    output = io.StringIO()
    units.render_tasks(Console(file=output, width=200))
    units.render_task("numbers", Console(file=output, width=120))
    assert "numbers" in output.getvalue()
    assert catalogue.refusals("eager") == {}


def test_a_file_that_does_not_import_is_named(root: Path) -> None:
    (root / "broken.py").write_text("import nothing_of_that_name")
    with pytest.raises(UserError, match=r"broken\.py, line 1: does not import"):
        catalogue.task("broken")


def test_headings_stand_at_the_beginning_of_a_line_or_of_a_sentence() -> None:
    text = "What: is it?\n\nData: a (Data: b),\nthen Data: c. Split: d\n\nModel: e\nModels: f"
    assert docstrings.parts(text, ("Data", "Split", "Model")) == {
        "Data": "a (Data: b), then Data: c.",
        "Split": "d",
        "Model": "e Models: f",
    }


@pytest.mark.parametrize("name", catalogue.names("tasks"))
def test_every_task_says_what_its_page_shows(name: str) -> None:
    found = catalogue.task(name)
    assert found.domain == registry.load("tasks", name).domain
    assert found.asks.endswith("?")
    assert found.data_kind in catalogue.DATA_KINDS
    assert found.licence
    assert set(HEADINGS) <= set(dict(found.parts))
    assert all(parameter.description for parameter in found.parameters)


def test_domains_are_in_order() -> None:
    domains = list(dict.fromkeys(catalogue.task(name).domain for name in catalogue.names("tasks")))
    assert domains == [domain for domain in catalogue.DOMAINS if domain in domains]


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_lists_every_task(root: Path, width: int) -> None:
    write(root)
    output = io.StringIO()
    units.render_tasks(Console(file=output, width=width))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert {*catalogue.names("tasks"), "vision", "nlp", "speech"} <= {line.split()[0] for line in lines if line.strip()}
    if width == 200:
        (line,) = [line for line in lines if line.split()[:1] == ["numbers"]]
        for expected in ("Numbers", "synthetic", "mean error [dB] at most 2.5", "none [at all]"):
            assert expected in line


def test_the_terminal_shows_one_task_whole(root: Path) -> None:
    output = io.StringIO()
    units.render_task(write(root, recipe=BY_NETWORK), Console(file=output, width=160))
    text = output.getvalue()
    for expected in (
        *("numbers (vision)", "Is a number large?", "synthetic: made by a program", "none [at all]", "vary, in digits"),
        *("network=large: epochs 9, batch 4", "mean error [dB] to reach: at most 2.5", "the [network]"),
    ):
        assert expected in text


def test_the_verb_takes_a_name_or_none(capsys: pytest.CaptureFixture) -> None:
    assert main.run(["tasks"]) == 0
    assert "fashion_mnist" in capsys.readouterr().out
    assert main.run(["tasks", "fashion_mnist"]) == 0
    assert capsys.readouterr().out.startswith("fashion_mnist (vision)")
    assert main.run(["tasks", "fashion_mnits"]) == 2
    assert "did you mean 'fashion_mnist'" in capsys.readouterr().err
