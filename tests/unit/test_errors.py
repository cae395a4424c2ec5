"""The status of a cell after an exception or a dead process. Every reason says what to do."""

from __future__ import annotations

import ast
import errno
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakeven.errors import CellFailure, FinalFailure, death, failure_of
from breakeven.plugins import REPOSITORY


class ProcessRaisedException(Exception):
    """Has the name of torch's exception for an exception in a rank."""


RAISED = [
    (MemoryError("Unable to allocate 8 GiB"), "out_of_memory", "Unable to allocate 8 GiB"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out_of_memory", "9 bytes"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory", "Cannot allocate"),
    (OSError(errno.EIO, "Input/output error", "x"), "infra_error", "Input/output error"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), "infra_error", "reset"),
    (FileNotFoundError(errno.ENOENT, "no file", "x"), "method_error", "no file"),
    (ValueError("first line\nsecond line"), "method_error", "ValueError: first line:"),
    (KeyError(), "method_error", "KeyError"),
    (ProcessRaisedException("Traceback\nValueError: bad"), "method_error", "ValueError: bad"),
    (ProcessRaisedException("Traceback\nOSError: [Errno 28] No space: 'x'"), "infra_error", "No space"),
    (ProcessRaisedException("Traceback\nRuntimeError: can't allocate memory"), "out_of_memory", "memory_gib"),
    (ProcessRaisedException("Traceback\nnumpy._ArrayMemoryError: 8 GiB"), "out_of_memory", "8 GiB"),
    (ProcessRaisedException("Traceback\ntorch.OutOfMemoryError: CUDA"), "out_of_memory", "CUDA"),
    (ProcessRaisedException("Traceback\nKeyError"), "method_error", "KeyError: "),
    (FinalFailure("timeout", "before: raise it"), "timeout", "before: raise it"),
]


@pytest.mark.parametrize(("error", "status", "reason"), RAISED, ids=lambda value: repr(value)[:40])
def test_what_an_exception_means(error: Exception, status: str, reason: str) -> None:
    failure = failure_of(error)
    assert failure.status == status
    assert reason in failure.reason
    assert ": " in failure.reason


def test_a_failure_survives_a_pipe() -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send(CellFailure("diverged", "why"))
    assert vars(ours.recv()) == vars(CellFailure("diverged", "why"))


@pytest.mark.parametrize(("code", "kills", "status"), [(-9, 1, "out_of_memory"), (-11, 1, "method_error")])
def test_only_a_kill_can_be_the_kernels(code: int, kills: int, status: str) -> None:
    assert death("it", code, kills).status == status


def reasons(path: Path) -> Iterator[str]:
    """Return the literal text of the reasons that a unit gives where it fails or declines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "unsupported":
            found = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CellFailure":
            found = [node.args[1]]
        else:
            continue
        found = [each for each in found if not (isinstance(each, ast.Constant) and each.value is None)]
        yield from (ast.unparse(each) for each in found if isinstance(each, ast.JoinedStr | ast.Constant))


@pytest.mark.parametrize("path", sorted(Path(REPOSITORY).glob("methods/*/*.py")), ids=lambda path: path.stem)
def test_every_reason_of_a_method_says_what_to_do(path: Path) -> None:
    for reason in reasons(path):
        assert ": " in reason, reason
