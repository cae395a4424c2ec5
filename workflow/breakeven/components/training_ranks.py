"""Processes (ranks) of a distributed training: how they start and find one another, and what it means when one ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, cast

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from torch import Tensor, distributed
from torch.distributed import GradBucket
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.futures import Future
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from breakeven.errors import CellFailure, death, failure_of
from breakeven.files import read_json, write_json
from breakeven.hardware import HardwareProfile
from breakeven.machine import memory
from breakeven.machine.place import spread

STARTED: Final = "popen"  # Lightning's start method that starts no process where SLURM has started them all
StartMethod = Literal["popen", "fork", "spawn"]
TIMEOUT = timedelta(minutes=5)  # for a collective operation: a process that others await for longer is dead or hangs

Hook = Callable[[Any, GradBucket], Future[Tensor]]  # torch's communication hook: a state and a bucket of gradients


class DataParallel(DDPStrategy):
    """Lightning's strategy for data parallelism, with torch's communication hooks on CPUs too.

    Lightning itself registers hooks on CUDA only.

    Args:
        hook: a communication hook of torch's `DistributedDataParallel`; None averages the gradients.
        hook_state: the hook's first argument.
        options: arguments of Lightning's `DDPStrategy`.
    """

    def __init__(self, hook: Hook | None = None, hook_state: object = None, **options: Any) -> None:
        super().__init__(**options)
        self.hook, self.hook_state = hook, hook_state

    def configure_ddp(self) -> None:
        """Wrap the model as Lightning does, then register the hook."""
        super().configure_ddp()
        if self.hook is not None:
            cast(DistributedDataParallel, self.model).register_comm_hook(self.hook_state, self.hook)


class ModelParallel(ModelParallelStrategy):
    """Lightning's strategy for models that `TrainingMethod.distribute` splits; its processes start as DDP's do.

    Args:
        start_method: how processes start: see `common`.
        cluster_environment: how processes find one another: see `common`.
        options: arguments of Lightning's `ModelParallelStrategy`.
    """

    def __init__(self, start_method: StartMethod, cluster_environment: ClusterEnvironment, **options: Any) -> None:
        super().__init__(**options)
        self.start_method, self.cluster_environment = start_method, cluster_environment

    def _configure_launcher(self) -> None:
        if self.start_method != STARTED:
            self._launcher = _MultiProcessingLauncher(self, start_method=self.start_method)


def common(hardware: HardwareProfile) -> dict[str, Any]:
    """Return the arguments that strategies share: how processes start, find one another and communicate.

    The keys are `start_method`, `cluster_environment`, `process_group_backend` and `timeout`.
    """
    # A CPU rank is forked from this process, which has imported everything but computed nothing: no second import.
    # CUDA does not survive a fork.
    start_method: StartMethod = "fork" if hardware.accelerator == "cpu" else "spawn"
    # SLURM's variables are in the environment of a job on one node too, but its ranks are not SLURM's tasks.
    environment: ClusterEnvironment = LightningEnvironment()
    if spread(hardware):
        start_method, environment = STARTED, SLURMEnvironment(auto_requeue=False)
    own = {"start_method": start_method, "cluster_environment": environment}
    return {"process_group_backend": backend(hardware), "timeout": TIMEOUT, **own}


def data_parallel(hardware: HardwareProfile, **options: Any) -> DataParallel:
    """Make the strategy in which each process holds the whole model and computes its share of a batch.

    Args:
        options: arguments of `DataParallel` and of Lightning's `DDPStrategy`. Gradients are averaged, unless `hook`
            does otherwise.
    """
    return DataParallel(**common(hardware), **options)


def model_parallel(hardware: HardwareProfile, data_ranks: int) -> ModelParallel:
    """Make the strategy in which processes share the model.

    Args:
        data_ranks: into how many shares a batch is split; a divisor of the number of processes. The processes of one
            group share the model and see the same samples.
    """
    world = hardware.devices * hardware.nodes
    options = {**common(hardware), "data_parallel_size": data_ranks, "tensor_parallel_size": world // data_ranks}
    return ModelParallel(**options, save_distributed_checkpoint=False)  # one file, as other strategies leave


def backend(hardware: HardwareProfile) -> Literal["gloo", "nccl"]:
    """Return the name of torch's communication backend for the profile's accelerator."""
    return "gloo" if hardware.accelerator == "cpu" else "nccl"


def mesh() -> DeviceMesh:
    """Return a one-dimensional device mesh of all processes. The process group must exist."""
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    return init_device_mesh(device, (distributed.get_world_size(),))


def leave_word(failure: CellFailure, folder: Path) -> None:
    """Write a rank's expected failure to a file in `folder`, where `watched` reads it.

    An exception alone arrives there as text, without its status.
    """
    write_json({"status": failure.status, "reason": failure.reason}, folder / "failure.json")


@contextmanager
def watched(trainer: pl.Trainer, folder: Path) -> Iterator[None]:
    """Run a training, and say which rank it failed for, and why.

    Args:
        trainer: the trainer that starts the processes in this block.
        folder: the folder that ranks give to `leave_word`.

    Raises:
        CellFailure: a rank raised an exception, was ended from outside, crashed, or left word of its failure.
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
    """Return the rank that ended first and its exit code; None as code where the rank raised an exception.

    The other ranks fail because they miss it, and may be seen first; SIGTERM then ends those that still live.
    """
    processes = getattr(trainer.strategy.launcher, "procs", [])
    killed = [(rank, p.exitcode) for rank, p in enumerate(processes) if (p.exitcode or 0) < 0]
    other = [(rank, code) for rank, code in killed if code != -signal.SIGTERM]
    if other:
        return other[0]
    return error.error_index, error.exit_code if isinstance(error, ProcessExitedException) else None
