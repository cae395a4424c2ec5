"""Checkpoints of a training, saved at its validations. A killed training resumes from the last one."""

from __future__ import annotations

import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from breakeven.files import file_sha256, read_json, write_json

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

RECORD = "checkpoint.json"  # names the valid file, its sha256 and its training


@dataclass(frozen=True)
class Checkpoint:
    """The last state of one training, in a separate folder that outlives the job."""

    folder: Path
    training: str  # digest of everything that decides the result of the training and where it runs

    def find(self) -> Path | None:
        """Return the file to resume from. A file that is damaged or of another training is removed with a message."""
        if not self.folder.exists():
            return None
        try:
            record = read_json(self.folder / RECORD)
            path = self.folder / record["file"]
            if record["training"] != self.training:
                reason = "of another training: its task, method, hardware, seed, data or versions were others"
            elif file_sha256(path) != record["sha256"]:
                reason = "damaged: it has another sha256 than recorded"
            else:
                print(f"{path}: the training goes on from here", file=sys.stderr)
                return path
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"damaged: {type(error).__name__}: {error}"
        print(f"{self.folder}: ignored and removed, {reason}", file=sys.stderr)
        self.remove()
        return None

    def save(self, trainer: Trainer) -> None:
        """Save the current state, then let the record name it. All processes of the training call this."""
        path = self.folder / f"step={trainer.global_step}.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            record = {"file": path.name, "sha256": file_sha256(path), "training": self.training}
            write_json(record, self.folder / RECORD)
            for other in set(self.folder.iterdir()) - {path, self.folder / RECORD}:
                other.unlink(missing_ok=True)
        trainer.strategy.barrier()

    def remove(self) -> None:
        """Remove the checkpoint: the training has ended or starts anew."""
        shutil.rmtree(self.folder, ignore_errors=True)


def random_state() -> dict[str, Any]:
    """Return the states of this process's random generators, in types that load without running code."""
    name, keys, *rest = np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    numpy = [name, np.asarray(keys).tolist(), *rest]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy, "python": random.getstate()}


def set_random_state(state: dict[str, Any]) -> None:
    """Restore the states of the random generators."""
    torch.set_rng_state(state["torch"])
    for device, one in enumerate(state["cuda"]):
        torch.cuda.set_rng_state(one, device)
    np.random.set_state(tuple(state["numpy"]))
    random.setstate(state["python"])
