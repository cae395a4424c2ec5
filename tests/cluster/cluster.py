"""A SLURM cluster of two nodes on this machine: real daemons on loopback, with all their state in one folder."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

NODES = ("n1", "n2")
CPUS = 2  # of each node, on every machine
PATIENCE_S = 900.0  # ends tests that hang; long enough for a slow machine
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "setpriv")

SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,sched_interval=2,bf_interval=2,batch_sched_delay=0,defer_batch
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=3600
KillWait=3
ReturnToService=2
EnforcePartLimits=ALL
JobRequeue=0
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=120 State=UP
PartitionName=planted Nodes=ALL MaxTime=120 State=UP
"""


def missing() -> str | None:
    """The reason why this machine cannot run a cluster, or None."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if lacking:
        return f"no {', '.join(lacking)}: sudo apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "SLURM's daemons run jobs as their owners: needs root"


@dataclass
class Cluster:
    """The running daemons, and SLURM's commands to them."""

    folder: Path
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user who is logged in to the cluster."""
        path = f"{self.folder / 'bin'}{os.pathsep}{_path()}"
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def ask(self, *command: str) -> str:
        """Run a SLURM command, and return its output."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that SLURM has known so far, with the fields of `scontrol show job`, in order of submission."""
        lines = self.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
        found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if line.startswith("JobId=")]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def crash(self, node: str) -> None:
        """Make a node fail: kill its daemon and all processes of its jobs at once, and mark it as down in SLURM."""
        daemon = self.daemons.pop(f"slurmd-{node}")
        daemon.kill()
        daemon.wait()
        jobs = [process for process in self._processes() if process.environ().get("SLURMD_NODENAME") == node]
        _kill(self._steps(node))  # first, else they report the end of their jobs
        _kill(jobs)
        self.ask("scontrol", "update", f"NodeName={node}", "State=down", "Reason=planted")

    def repair(self, node: str) -> None:
        """Bring the node back."""
        self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        self.ask("scontrol", "update", f"NodeName={node}", "State=resume")

    def until(self, condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a condition to hold.

        Raises:
            AssertionError: a daemon has ended, or the time is up; with the ends of the daemons' logs.
        """
        deadline = time.monotonic() + patience_s
        while not condition():
            ended = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"no {what}; ended: {ended}\n{self._logs()}")
            time.sleep(0.1)

    def idle(self) -> bool:
        """Return True if every node is up and idle."""
        done = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--partition=main", "--format=%T"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return done.stdout.split() == ["idle"] * len(NODES)

    def _start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground. The kernel ends it when this process ends, for any reason."""
        with (self.folder / f"{name}.log").open("w") as log:
            whole = ["setpriv", "--pdeathsig", "TERM", *command]
            self.daemons[name] = subprocess.Popen(whole, env=self.environment, stdout=log, stderr=log)

    def _stop(self) -> None:
        """End the daemons, and all processes that they have started."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(PATIENCE_S)
        _kill(step for node in NODES for step in self._steps(node))
        _kill(self._processes())

    def _processes(self) -> Iterator[psutil.Process]:
        """Find all processes with this cluster's environment."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if f"{self.folder}/bin" in process.environ().get("PATH", "").split(os.pathsep):
                    yield process

    def _steps(self, node: str) -> Iterator[psutil.Process]:
        """Find the supervisors of a node's jobs. They have no environment, but a socket in the node's spool folder."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() == "slurmstepd" and any(
                    str(each.laddr).startswith(f"{self.folder}/spool-{node}/")
                    for each in process.net_connections("unix")
                ):
                    yield process

    def _logs(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-20:]) for log in logs)


@contextmanager
def running() -> Iterator[Cluster]:
    """Run a cluster for the length of the block. Its nodes are idle at the start."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-"))
        )  # a socket's path must be short
        _configure(folder)
        cluster = Cluster(folder)
        stack.callback(cluster._stop)
        munge = [f"--{name}={folder / 'munge'}.{name.partition('-')[0]}" for name in ("key-file", "socket", "pid-file")]
        cluster._start("munged", "munged", "--foreground", *munge, f"--seed-file={folder}/munge.seed", "--force")
        cluster.until(lambda: (folder / "munge.socket").exists(), "socket of munge")
        cluster._start("slurmctld", "slurmctld", "-D")
        for name in NODES:
            cluster._start(f"slurmd-{name}", "slurmd", "-D", "-N", name)
        cluster.until(cluster.idle, "idle nodes")
        yield cluster


def _kill(processes: Iterable[psutil.Process]) -> None:
    killed = list(processes)
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(killed, PATIENCE_S)


def _configure(folder: Path) -> None:
    host = socket.gethostname().partition(".")[0]
    fields = {"host": host, "user": getpass.getuser(), "folder": folder, "cpus": CPUS, "ports": _free_ports(3)}
    (folder / "slurm.conf").write_text(SLURM_CONF.format(**fields))
    (folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")
    for name in ("state", "bin", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o600)
    # Snakemake's executor removes SLURM's variables from its jobs' environment, also the path of this file. Without the
    # wrapper, srun in a job would look for the file in /etc.
    srun = folder / "bin" / "srun"
    program = shutil.which("srun", path=_path())
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {program} "$@"\n')
    srun.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _path() -> str:
    """The search path for programs, with the daemons' folder, which only root's own path has."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
