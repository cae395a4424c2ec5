"""Only one run at a time uses a results folder; a killed run blocks no other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from breakeven.environment import FORKSERVER
from breakeven.errors import UserError
from breakeven.jobs import forkserver

HOLDER = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1] + "/.lock")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])  # restore afterwards the PATH that a run extends
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="another run is writing here"), forkserver.running(tmp_path):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    with forkserver.running(tmp_path):
        assert os.environ[FORKSERVER]
    assert FORKSERVER not in os.environ


def test_a_run_whose_jobs_run_elsewhere_holds_the_lock_and_serves_no_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    with forkserver.running(tmp_path, jobs_here=False):
        assert FORKSERVER not in os.environ
        with pytest.raises(UserError, match="another run is writing here"), forkserver.running(tmp_path):
            pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose a folder you can write"), forkserver.running(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == ""
