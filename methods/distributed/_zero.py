"""DeepSpeed's engine under Lightning's strategy for it, on CPUs too."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from pytorch_lightning.strategies import DDPStrategy, DeepSpeedStrategy
from torch import Tensor, nn

from breakeven.components import training_ranks
from breakeven.errors import CellFailure

if TYPE_CHECKING:
    from breakeven.hardware import HardwareProfile

BUCKET = 25 * 2**20 // 4  # float32 that are sent at once: 25 MiB at most, as much as ddp sends
# Of stage 3: every parameter is let go after use. By default small ones stay, which in small networks are all, and so
# does what is gathered ahead of time.
SPLIT = {f"stage3_{name}": 0 for name in ("param_persistence_threshold", "max_reuse_distance", "prefetch_bucket_size")}


class ZeRO(DeepSpeedStrategy):
    """Lightning's strategy, which is for CUDA and starts its processes in another way."""

    def __init__(self, start_method: str, **options: Any) -> None:
        super().__init__(**options)
        self._start_method = start_method

    def setup_environment(self) -> None:
        DDPStrategy.setup_environment(self)  # Lightning's own refuses CPUs

    def setup_distributed(self) -> None:
        import deepspeed

        DDPStrategy.setup_distributed(self)
        # Compiled where it is first used, for minutes; for inference only.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed(self._process_group_backend, auto_mpi_discovery=False)

    def _setup_model_and_optimizer(self, model: nn.Module, optimizer: Any, lr_scheduler: Any = None) -> tuple[Any, Any]:
        import deepspeed

        trained = [p for p in model.parameters() if p.requires_grad]
        bucket = min(BUCKET, sum(p.numel() for p in trained))  # its memory is taken whether it is filled or not
        self.config["zero_optimization"] |= {"reduce_bucket_size": bucket, "allgather_bucket_size": bucket}
        # Lightning's own gives the number of its device, which a CPU has not.
        how = {"model_parameters": trained, "optimizer": optimizer, "lr_scheduler": lr_scheduler}
        engine, sharded, *_ = deepspeed.initialize(model=model, config=self.config, dist_init_required=False, **how)
        return engine, sharded

    def optimizer_step(self, *arguments: Any, **options: Any) -> Any:
        loss = super().optimizer_step(*arguments, **options)
        if self.model.skipped_steps:  # where any other way of training makes weights that are no numbers
            where = f"gradients were not finite at step {self.model.global_steps}"
            failure = CellFailure("diverged", f"{where}: lower the recipe's learning_rate")
            training_ranks.leave_word(failure, self.lightning_module.folder)
            raise failure
        return loss


def zero(hardware: HardwareProfile, stage: int) -> ZeRO:
    """The strategy for a stage; DeepSpeed is imported here, before other processes are forked from this one."""
    os.environ["DS_ACCELERATOR"] = hardware.accelerator  # not the best that the machine has
    from deepspeed.runtime.zero.muon import muon_optimizer  # noqa: F401  # with much of the compiler, or each process would

    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")  # its names for collectives
    overlaps = hardware.accelerator == "cuda"  # CPUs have no streams
    return ZeRO(
        config={"zero_optimization": {"stage": stage, "overlap_comm": overlaps, **SPLIT}},
        **training_ranks.common(hardware),
    )


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The state of a model, gathered where stage 3 has split it."""
    import deepspeed

    with deepspeed.zero.GatheredParameters(list(model.parameters())):
        return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
