"""DeepSpeed, an optional package: what is said where it is not installed, and which stages there are."""

import sys

import pytest

from breakeven import registry
from breakeven.errors import CellFailure, UserError


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    method, profile = registry.method("deepspeed"), registry.hardware("cpu_2x1")
    monkeypatch.setattr(sys.modules[type(method).__module__], "find_spec", lambda _: None)
    expected = "the package deepspeed is not installed (cpu_2x1): use pip install deepspeed"
    assert method.unsupported(registry.task("fashion_mnist"), profile) == expected
    with pytest.raises(CellFailure) as failure:
        method.trainer_kwargs(profile)
    assert (failure.value.status, failure.value.reason) == ("unsupported", expected)


@pytest.mark.parametrize("stage", [0, 4])
def test_a_stage_that_there_is_not_is_refused(stage: int) -> None:
    with pytest.raises(UserError, match="stage"):
        registry.method(f"deepspeed-stage={stage}")
