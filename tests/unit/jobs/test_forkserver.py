"""The fork server: a verb runs as if started here and ends with its client; all verbs end with the run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE_S, gone

from breakeven.environment import FORKSERVER
from breakeven.jobs import forkserver

# A server that preloads nothing, so that these tests are fast. Its small program stands in for the verbs.
SERVER = """
import os, sys, signal
from pathlib import Path
from breakeven.jobs import forkserver
forkserver.PRELOAD, forkserver.OPTIONAL = ["json"], {}
def run(arguments):
    if arguments[0] == "say":
        print(os.getcwd(), os.environ["WORD"], flush=True)
        return int(arguments[1])
    os.mkfifo(arguments[1])
    Path(arguments[2]).write_text(str(os.getpid()))
    os.open(arguments[1], os.O_RDONLY)  # blocks until killed
forkserver.serve(Path(sys.argv[1]), run)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen]:
    path = tmp_path / "socket"
    process = subprocess.Popen([sys.executable, "-c", SERVER, path], stdin=subprocess.PIPE)
    while not path.exists():
        assert process.poll() is None
        os.sched_yield()
    process.path = path
    yield process
    process.kill()
    process.wait()


def client(server: subprocess.Popen, *arguments: str, **options) -> subprocess.Popen:
    code = f"import sys; from breakeven.jobs import forkserver; sys.exit(forkserver.forward({list(arguments)!r}))"
    environment = {**os.environ, FORKSERVER: str(server.path), "WORD": "hello"}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **options)


def test_a_verb_runs_in_the_clients_place(server: subprocess.Popen, tmp_path: Path) -> None:
    done = client(server, "say", "3", cwd=tmp_path, stdout=subprocess.PIPE)
    assert done.communicate()[0].split() == [str(tmp_path), "hello"]
    assert done.returncode == 3


def test_without_a_server_nothing_is_forwarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(FORKSERVER, raising=False)
    assert forkserver.forward(["say", "0"]) is None
    monkeypatch.setenv(FORKSERVER, str(tmp_path / "gone"))
    assert forkserver.forward(["say", "0"]) is None


def blocked(server: subprocess.Popen, tmp_path: Path) -> tuple[subprocess.Popen, int]:
    """Start a client whose job waits for ever; return the client and the job's process id."""
    pipe, pid_file = tmp_path / "pipe", tmp_path / "pid"
    waiting = client(server, "wait", str(pipe), str(pid_file))
    while not (pid_file.exists() and pid_file.read_text()):
        assert waiting.poll() is None
        os.sched_yield()
    return waiting, int(pid_file.read_text())


def test_a_job_dies_with_its_client(server: subprocess.Popen, tmp_path: Path) -> None:
    waiting, pid = blocked(server, tmp_path)
    waiting.send_signal(signal.SIGKILL)
    assert gone(pid)
    assert server.poll() is None


def test_jobs_and_server_die_with_the_run(server: subprocess.Popen, tmp_path: Path) -> None:
    waiting, pid = blocked(server, tmp_path)
    server.stdin.close()
    assert gone(pid)
    assert server.wait(PATIENCE_S) == 0
    assert waiting.wait(PATIENCE_S) != 0


def test_the_server_imports_what_it_should_and_starts_no_thread() -> None:
    code = (
        "import sys; from breakeven.jobs import forkserver\n"
        "forkserver.preload()\n"
        "from pathlib import Path\n"
        "print(len(list(Path('/proc/self/task').iterdir())), 'breakeven.stages' in sys.modules)"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"], done.stderr
