"""The processes of a distributed training: how they start, find one another, and what the end of one means."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from breakeven.errors import CellFailure, death, failure_of
from breakeven.files import read_json, write_json
from breakeven.hardware import HardwareProfile
from breakeven.machine import memory

STARTED = "popen"  # Lightning's start method that starts nothing where SLURM has
TIMEOUT = timedelta(minutes=5)  # of a collective operation: a process that others wait for longer is dead or hangs


class DataParallel(DDPStrategy):
    """Lightning's strategy, with a communication hook of torch's on CPUs too: Lightning's own hooks are for CUDA."""

    def __init__(self, hook: Callable[..., Any] | None = None, hook_state: object = None, **options: Any) -> None:
        super().__init__(**options)
        self.hook, self.hook_state = hook, hook_state

    def configure_ddp(self) -> None:
        super().configure_ddp()
        if self.hook is not None:
            cast(DistributedDataParallel, self.model).register_comm_hook(self.hook_state, self.hook)


class ModelParallel(ModelParallelStrategy):
    """Lightning's strategy for models that `TrainingMethod.distribute` splits, its processes started as DDP's are."""

    def __init__(self, start_method: str, cluster_environment: ClusterEnvironment, **options: Any) -> None:
        super().__init__(**options)
        self.start_method, self.cluster_environment = start_method, cluster_environment

    def _configure_launcher(self) -> None:
        if self.start_method != STARTED:
            self._launcher = _MultiProcessingLauncher(self, start_method=self.start_method)  # type: ignore[arg-type]


def common(hardware: HardwareProfile) -> dict[str, Any]:
    """How processes start and what they speak: keyword arguments of the strategies here, and of others like them."""
    # A CPU rank is forked from this process, which has imported everything but computed nothing: no second import.
    # CUDA does not survive a fork.
    start_method = "fork" if hardware.accelerator == "cpu" else "spawn"
    # A job on one node is no concern of SLURM's either, whose variables are in its environment.
    environment: ClusterEnvironment = LightningEnvironment()
    if hardware.spread:
        start_method, environment = STARTED, SLURMEnvironment(auto_requeue=False)
    own = {"start_method": start_method, "cluster_environment": environment}
    return {"process_group_backend": backend(hardware), "timeout": TIMEOUT, **own}


def data_parallel(hardware: HardwareProfile, **options: Any) -> DataParallel:
    """Each process has the whole model and its share of a batch; gradients are averaged, or what a `hook` does."""
    return DataParallel(**common(hardware), **options)


def model_parallel(hardware: HardwareProfile, data_ranks: int) -> ModelParallel:
    """Processes share the model; batches are shared by `data_ranks` groups of them."""
    world = hardware.devices * hardware.nodes
    options = {**common(hardware), "data_parallel_size": data_ranks, "tensor_parallel_size": world // data_ranks}
    return ModelParallel(**options, save_distributed_checkpoint=False)  # one file, as others leave


def backend(hardware: HardwareProfile) -> str:
    """What ranks communicate by."""
    return "gloo" if hardware.accelerator == "cpu" else "nccl"


def mesh() -> DeviceMesh:
    """All processes in a row."""
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    return init_device_mesh(device, (distributed.get_world_size(),))


def share_of_a_batch(trainer: pl.Trainer | None) -> tuple[int, int]:
    """How many shares a global batch is split into, and which of them is this process's."""
    found = getattr(trainer and trainer.strategy, "distributed_sampler_kwargs", {"num_replicas": 1, "rank": 0})
    return found["num_replicas"], found["rank"]


def leave_word(failure: CellFailure, folder: Path) -> None:
    """Note a rank's expected failure where the process that watches it looks: an exception arrives there as text."""
    write_json({"status": failure.status, "reason": failure.reason}, folder / "failure.json")


@contextmanager
def watched(trainer: pl.Trainer, folder: Path) -> Iterator[None]:
    """Say which rank a training failed for, and why.

    Raises:
        CellFailure: a rank raised an exception, ended from outside, crashed, or left word of why it cannot go on.
    """
    oom_kills = memory.oom_kills()
    try:
        yield
    except (ProcessExitedException, ProcessRaisedException) as error:
        if (word := folder / "failure.json").exists():
            raise CellFailure(**read_json(word)) from error
        rank, code = _ended(trainer, error)
        if code is None:
            print(error, file=sys.stderr)  # the rank's own traceback
            failure = failure_of(error)
            raise CellFailure(failure.status, f"rank {rank}: {failure.reason}") from error
        raise death(f"the process of rank {rank}", code, memory.oom_kills() - oom_kills) from error


def _ended(trainer: pl.Trainer, error: ProcessExitedException | ProcessRaisedException) -> tuple[int, int | None]:
    """The rank that ended first and its exit code; None where it raised an exception.

    The others fail for want of it, and may be seen first; those that still live are then ended by SIGTERM.
    """
    processes = getattr(trainer.strategy.launcher, "procs", [])
    killed = [(rank, p.exitcode) for rank, p in enumerate(processes) if (p.exitcode or 0) < 0]
    other = [(rank, code) for rank, code in killed if code != -signal.SIGTERM]
    if other:
        return other[0]
    return error.error_index, error.exit_code if isinstance(error, ProcessExitedException) else None
