"""Fork server: a process that imports the heavy libraries once, and forks itself for every job of a run.

Importing torch, Lightning and the libraries around them takes 6–9 s. A fork of a process that has imported them takes
milliseconds, and its latencies are the same. The standard library's `multiprocessing.forkserver` has the same idea;
this server is shared by processes that do not descend from one another. The Snakefile starts a server for the length
of a run on this machine, and of a job on one node of a cluster. A verb pasted into a shell finds no server and imports
the libraries itself. Engine and units are not preloaded, so an edited file is always read anew.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from breakeven.environment import FORKSERVER
from breakeven.errors import UserError
from breakeven.results import LOCK

PRELOAD = [
    *("numpy", "scipy.stats", "psutil", "pydantic", "typer", "jsonschema", "safetensors.torch"),
    *("torch", "torch.ao.quantization", "torch.onnx", "torchvision", "timm", "torch_pruning"),
    *("torchmetrics.classification", "pytorch_lightning", "transformers.models.bert.modeling_bert"),
    *("torchao.quantization", "onnx", "onnxruntime.quantization", "onnxscript"),
]
OPTIONAL = {"openvino": "openvino", "executorch": "executorch.extension.pybindings.portable_lib"}  # if installed
HEADER = 1 << 20  # bytes: more than the size of any argv and environment


class Server:
    """Forks a child per request. A child ends at the latest with its client, and all children end with the server."""

    def __init__(self, listener: socket.socket, run: Callable[[list[str]], int]) -> None:
        self.listener = listener
        self.run = run
        self.selector = selectors.DefaultSelector()
        self.children: dict[int, int] = {}  # pid -> pidfd

    def serve(self) -> None:
        """Serve until standard input closes, which happens when the process that started this server ends."""
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        try:
            while True:
                for key, _ in self.selector.select():
                    if key.data is None:
                        return
                    key.data()
        finally:
            for pid in self.children:
                _kill(pid)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        message, fds, _, _ = socket.recv_fds(client, HEADER, 3)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = self._become(json.loads(message), fds)
            except BaseException:
                traceback.print_exc()
            finally:  # never return to the server's loop: its end would kill the other children
                os._exit(code)
        for fd in fds:
            os.close(fd)
        pidfd = self.children[pid] = os.pidfd_open(pid)
        self.selector.register(client, selectors.EVENT_READ, lambda: _kill(pid))
        self.selector.register(pidfd, selectors.EVENT_READ, lambda: self._reap(pid, pidfd, client))

    def _become(self, request: dict, fds: list[int]) -> int:
        """Take on the client's descriptors, directory and environment in the child, and run the client's verb."""
        os.setsid()  # its own process group, so that the server can kill its children with it
        self.selector.close()
        self.listener.close()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
            os.close(fd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["directory"])
        try:
            return self.run(request["arguments"])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _reap(self, pid: int, pidfd: int, client: socket.socket) -> None:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _kill(pid)  # processes that the child may have left behind
        self.selector.unregister(pidfd)
        self.selector.unregister(client)
        os.close(pidfd)
        del self.children[pid]
        with contextlib.suppress(OSError):
            client.sendall(json.dumps(code).encode())
        client.close()


def preload() -> None:
    """Import the libraries for every fork: an import in a timed process would count as its model's memory."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else OpenVINO reports its use
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # torchao uses what torch 2.14 deprecates
    for name in [*PRELOAD, *(module for package, module in OPTIONAL.items() if find_spec(package))]:
        import_module(name)


def serve(path: Path, run: Callable[[list[str]], int]) -> None:
    """Listen on the socket `path`, before the imports: early clients wait for them instead of importing themselves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(256)
        preload()
        Server(listener, run).serve()


def forward(arguments: list[str]) -> int | None:
    """Run this verb in the run's fork server. Returns its exit code, or None without a server."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(os.environ[FORKSERVER])
        except (KeyError, OSError):
            return None
        request = {"arguments": arguments, "directory": str(Path.cwd()), "environment": dict(os.environ)}
        socket.send_fds(client, [json.dumps(request).encode()], [0, 1, 2])
        answer = client.recv(64)
    return abs(json.loads(answer)) if answer else 1


@contextmanager
def running(results: Path, jobs_here: bool = True) -> Iterator[None]:
    """Lock a results folder for one run, and start a fork server if the run's jobs are on this machine.

    However this process ends, the kernel releases the lock and the server ends itself.

    Raises:
        UserError: the folder cannot be written, or another run is writing there.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        lock = FileLock(results / LOCK, blocking=False)
        lock.acquire()
    except Timeout:
        raise UserError(
            f"{results}: another run is writing here: wait for it, or use --config results=FOLDER"
        ) from None
    except OSError as error:
        raise UserError(
            f"{results}: {error.strerror}: choose a folder you can write, --config results=FOLDER"
        ) from error
    # A rule's `python` is the Python that runs Snakemake, even without an activated environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with lock, serving() if jobs_here else contextlib.nullcontext():
        yield


@contextmanager
def serving() -> Iterator[None]:
    """Start a fork server for the length of the block; jobs find it by their environment."""
    with tempfile.TemporaryDirectory(prefix="breakeven-") as folder:
        os.environ[FORKSERVER] = str(Path(folder) / "socket")
        # Keeps OpenBLAS from starting a thread pool at import: a process with threads must not be forked.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "breakeven", "forkserver", os.environ[FORKSERVER]]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
        try:
            yield
        finally:
            os.environ.pop(FORKSERVER)
            assert server.stdin
            server.stdin.close()
            server.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
