"""The description of a method, read from a unit written here and from the repository's own, and in the terminal."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from breakeven import plugins
from breakeven.cli import main, units
from breakeven.errors import UserError
from breakeven.units import catalogue, registry
from breakeven.units.catalogue import Parameter

UNIT = '''"""Halving: every second weight goes.
The rest stays.

Reference: Nobody 2020, "Halves", arXiv:2001.00001; after
an older idea.
Limits: it is made up,
and does nothing.

More that is not shown.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from breakeven.method import Change, CompressionMethod


@dataclass(frozen=True)
class Halving(CompressionMethod):
    reference: ClassVar[str] = "arXiv:2001.00001"
    changes: ClassVar[Change] = "zeros"

    share: float = Field(0.5, gt=0, le=1, description="how much goes")
    rounds: int = Field(2, ge=1, description="how often")
    engine: Literal["eager", "onnxruntime"] = Field("eager", description="what serves it")
    sure: bool = True
    seed: int | None = None

    @property
    def runtime(self) -> str | None:
        return "onnxruntime" if self.engine == "onnxruntime" else None

    def unsupported(self, task, hardware):
        return "GPUs do not halve: use a CPU" if hardware.accelerator == "cuda" else None

    def compress(self, model, context):
        return model
'''


@pytest.fixture
def halving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a method in a separate content root; yield its name."""
    folder = tmp_path / "methods" / "compression"
    folder.mkdir(parents=True)
    (folder / "halving.py").write_text(UNIT)
    package = f"{plugins.__name__}.methods"
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(package)}
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(tmp_path)])
    registry.forget()
    yield "halving"
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]
    sys.modules.update(before)
    registry.forget()


def test_a_method_is_described_by_its_own_words(halving: str) -> None:
    found = catalogue.method(halving)
    assert found.branch == "compression"
    assert found.does == "Halving: every second weight goes. The rest stays."
    assert found.paper == 'Nobody 2020, "Halves", arXiv:2001.00001; after an older idea.'
    assert found.limits == "it is made up, and does nothing."
    assert found.link == "https://arxiv.org/abs/2001.00001"
    assert found.cited == "arXiv:2001.00001"
    assert found.changes == "which weights are zero"


def test_parameters_come_with_type_range_and_default(halving: str) -> None:
    assert catalogue.method(halving).parameters == (
        Parameter("share", "float", "above 0, at most 1", "0.5", "how much goes"),
        Parameter("rounds", "int", "at least 1", "2", "how often"),
        Parameter("engine", "eager | onnxruntime", "", "eager", "what serves it"),
        Parameter("sure", "True | False", "", "True", ""),
        Parameter("seed", "int | None", "", "None", ""),
    )


def test_a_choice_of_another_runtime_is_named(halving: str) -> None:
    assert catalogue.method(halving).served_by == ("any runtime", "onnxruntime (engine=onnxruntime)")


def test_what_is_refused_is_by_profile_where_it_is_for_every_task(halving: str) -> None:
    assert catalogue.refusals(halving) == {"GPUs do not halve: use a CPU": ["cuda_1"]}
    assert units.refused(halving) == ["cuda_1 (GPUs do not halve)"]


def test_a_single_task_is_named_with_its_profile() -> None:
    assert catalogue._shortened("cpu_1", ["a"], 2) == ["a on cpu_1"]
    assert catalogue._shortened("cpu_1", ["a", "b"], 2) == ["cpu_1"]


def test_what_serves_a_method_may_refuse_in_its_place() -> None:
    reasons = catalogue.refusals("onnxruntime")
    assert list(reasons.values()) == [["cuda_1"]]


def test_addresses_are_cited_by_who_publishes_them() -> None:
    assert catalogue.method("eager").cited == "docs.pytorch.org"
    assert catalogue.method("eager").link == catalogue.method("eager").reference
    assert catalogue.method("ddp").cited == "arXiv:2006.15704"


def test_runtimes_serve_themselves_and_trainings_nothing() -> None:
    assert catalogue.method("eager").served_by == ("eager",)
    assert catalogue.method("int8_static").served_by[0] == "onnxruntime"
    assert catalogue.method("ddp").served_by == ()
    assert catalogue.method("ddp").changes == ""


def test_trainings_say_how_they_split_samples_and_model() -> None:
    found = catalogue.method("fsdp")
    assert found.data_partition.startswith("by rows")
    assert found.model_partition.startswith("by rows of each tensor")
    assert catalogue.method("low_rank").data_partition == catalogue.method("low_rank").model_partition == ""
    output = io.StringIO()
    units.render_method("fsdp", Console(file=output, width=120))
    units.render_method("low_rank", Console(file=output, width=120))
    assert output.getvalue().count("Split of the model") == 1


@pytest.mark.parametrize("name", catalogue.names("methods"))
def test_every_method_says_what_it_does_and_what_it_follows(name: str) -> None:
    found = catalogue.method(name)
    assert 20 < len(found.does) < 600
    assert found.link and found.link.startswith("http")
    assert all(parameter.description for parameter in found.parameters)


def test_branches_are_in_order() -> None:
    branches = [catalogue.method(name).branch for name in catalogue.names("methods")]
    assert list(dict.fromkeys(branches)) == catalogue.BRANCHES


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'low_rank'"):
        catalogue.method("low_rnak")


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_lists_every_method(halving: str, width: int) -> None:
    output = io.StringIO()
    units.render_methods(Console(file=output, width=width))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    shown = [line.split()[0] for line in lines if line.strip()]
    assert set(catalogue.names("methods")) | set(catalogue.BRANCHES) <= set(shown)
    if width == 200:
        (line,) = [line for line in lines if line.split()[:1] == ["halving"]]
        assert "which weights are zero" in line
        assert "cuda_1 (GPUs do not halve)" in line
        assert "arXiv:2001.00001" in line


def test_the_terminal_shows_one_method_whole(halving: str) -> None:
    output = io.StringIO()
    units.render_method(halving, Console(file=output, width=120))
    text = output.getvalue()
    for expected in ("every second weight goes", "above 0, at most 1", "eager | onnxruntime", "it is made up"):
        assert expected in text
    units.render_method("eager", Console(file=output, width=120))
    assert "It has no parameters." in output.getvalue()


def test_the_verb_takes_a_name_or_none(capsys: pytest.CaptureFixture) -> None:
    assert main.run(["methods", "low_rank"]) == 0
    assert capsys.readouterr().out.startswith("low_rank (compression)")
    assert main.run(["methods", "low_rnak"]) == 2
    assert "did you mean 'low_rank'" in capsys.readouterr().err
