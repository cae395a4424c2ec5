"""Runs the package DeepSpeed's engine under Lightning's strategy for it, on CPUs too."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, cast

from pytorch_lightning.strategies import DDPStrategy, DeepSpeedStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from breakeven.components import training_ranks
from breakeven.components.training_ranks import StartMethod
from breakeven.errors import CellFailure

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile

BUCKET = 25 * 2**20 // 4  # float32 numbers that are sent at once: at most 25 MiB, as much as ddp sends
# Stage 3 releases every parameter after use and gathers none ahead. By default DeepSpeed keeps small parameters, which
# in small networks are all of them, and gathers the next ones early.
SPLIT = {f"stage3_{name}": 0 for name in ("param_persistence_threshold", "max_reuse_distance", "prefetch_bucket_size")}


class ZeRO(DeepSpeedStrategy):
    """Lightning's strategy for DeepSpeed, on CPUs too, and with processes that start as DDP's do."""

    def __init__(self, start_method: StartMethod, **options: Any) -> None:
        super().__init__(**options)
        self._start_method = start_method

    def setup_environment(self) -> None:
        """Set up the environment as DDP does: Lightning's own method refuses CPUs."""
        DDPStrategy.setup_environment(self)

    def setup_distributed(self) -> None:
        """Make the process group as DDP does, and tell DeepSpeed of it."""
        import deepspeed

        DDPStrategy.setup_distributed(self)
        # This operator is for inference only, and compiles for minutes where it is first used.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed(self._process_group_backend, auto_mpi_discovery=False)

    def _setup_model_and_optimizer(
        self, model: nn.Module, optimizer: Optimizer | None, lr_scheduler: Any = None
    ) -> tuple[Any, Any]:
        import deepspeed

        trained = [p for p in model.parameters() if p.requires_grad]
        bucket = min(BUCKET, sum(p.numel() for p in trained))  # a bucket takes its memory whether it is filled or not
        config = cast(dict[str, Any], self.config)
        config["zero_optimization"] |= {"reduce_bucket_size": bucket, "allgather_bucket_size": bucket}
        # Lightning's own method passes the number of its device, which a CPU does not have.
        how = {"model_parameters": trained, "optimizer": optimizer, "lr_scheduler": lr_scheduler}
        engine, sharded, *_ = deepspeed.initialize(model=model, config=config, dist_init_required=False, **how)
        return engine, sharded

    def optimizer_step(self, *arguments: Any, **options: Any) -> Any:
        """Take a step, and end the training where DeepSpeed skipped it.

        DeepSpeed skips steps whose gradients are not finite, where other trainings get weights that are not numbers.

        Raises:
            CellFailure: `diverged`.
        """
        loss = super().optimizer_step(*arguments, **options)
        engine: Any = self.model
        learner: Any = self.lightning_module
        if engine.skipped_steps:
            where = f"gradients were not finite at step {engine.global_steps}"
            failure = CellFailure("diverged", f"{where}: lower the recipe's learning_rate")
            training_ranks.leave_word(failure, learner.folder)
            raise failure
        return loss


def zero(hardware: HardwareProfile, stage: int) -> ZeRO:
    """Make the strategy for a ZeRO stage, 1 to 3. It imports DeepSpeed, before other processes are forked from here."""
    os.environ["DS_ACCELERATOR"] = hardware.accelerator  # DeepSpeed would take the machine's best
    # This import brings in much of the compiler, which each process would import again.
    from deepspeed.runtime.zero.muon import muon_optimizer  # noqa: F401

    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")  # of old names
    overlaps = hardware.accelerator == "cuda"  # CPUs have no streams
    return ZeRO(
        config={"zero_optimization": {"stage": stage, "overlap_comm": overlaps, **SPLIT}},
        **training_ranks.common(hardware),
    )


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of a model on the CPU, gathered where stage 3 has split it."""
    import deepspeed

    with deepspeed.zero.GatheredParameters(list(model.parameters())):
        return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
